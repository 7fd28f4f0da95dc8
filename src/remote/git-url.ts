/*
 * Git URLs of ADD, build contexts and named contexts, as BuildKit reads them:
 *   https://host/path/repo.git        (the path must end in .git)
 *   git://host/path   ssh://user@host/path   user@host:path
 *   github.com/owner/repo             (contexts only: ADD takes it for a path)
 * each with `#REF:SUBDIR`, or `?ref=|branch=|tag=`, `subdir=`, `checksum=|commit=`,
 * `keep-git-dir=`, `submodules=`, `mtime=checkout|commit`, `fetch-by-commit=`.
 * Source: docs.docker.com/build/concepts/context, "URL queries" and "URL fragments".
 */
import { UserError } from '../util/errors.js';
import { redactUrls } from '../util/redact.js';
import { suggest } from '../util/suggest.js';

export type GitScheme = 'https' | 'http' | 'ssh' | 'git';

/** A user's name and password, as in `https://user:password@host/`. */
export interface UrlCredentials {
  readonly user: string;
  readonly password: string;
}

/** A repository, and what of it. */
export interface GitUrl {
  readonly scheme: GitScheme;
  /** `host` or `host:port`. */
  readonly host: string;
  /** What git is given: without options and credentials. */
  readonly remote: string;
  readonly credentials: UrlCredentials | undefined;
  /** A branch, a tag, a full ref or a full commit; undefined: the default branch. */
  readonly ref: string | undefined;
  /** The first digits of the commit (or tag object) that it must be; lower case. */
  readonly checksum: string | undefined;
  /** Below the root, no leading slash; empty: all. */
  readonly subdir: string;
  readonly keepGitDir: boolean | undefined;
  readonly submodules: boolean;
  /** What the files' times are: the commit's, or that of the fetch. */
  readonly mtime: 'checkout' | 'commit';
}

const PROTOCOL = /^([a-zA-Z0-9]+):\/\//;
const SCP = /^([a-zA-Z0-9_-]+)@([a-zA-Z0-9.-]+):([^?#\s\p{Cc}]*)(?:\?([^#]*))?(?:#(.*))?$/u;
const GITHUB = /^github\.com\//;
const FULL_COMMIT = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/i;
const QUERY_KEYS = [
  ...['ref', 'branch', 'tag', 'subdir', 'checksum', 'commit', 'keep-git-dir', 'submodules'],
  ...['mtime', 'fetch-by-commit'],
];

/** Whether a ref is a whole commit id (SHA-1 or SHA-256). */
export function isCommitId(ref: string): boolean {
  return FULL_COMMIT.test(ref);
}

/**
 * The git URL that a word is; undefined if it is something else (a path, another URL).
 * `hostPath`: `github.com/…` is one, too. UserError TSB_PARSE for a git URL with wrong options.
 */
export function findGitUrl(
  text: string,
  { hostPath = false }: { readonly hostPath?: boolean } = {},
): GitUrl | undefined {
  if (hostPath && GITHUB.test(text)) return parseUrl(`https://${text}`, text);
  const protocol = PROTOCOL.exec(text)?.[1]?.toLowerCase();
  switch (protocol) {
    case 'git':
    case 'ssh':
      return parseUrl(text, text);
    case 'http':
    case 'https':
      return URL.canParse(text) && new URL(text).pathname.endsWith('.git')
        ? parseUrl(text, text)
        : undefined;
    case undefined:
      return parseScp(text);
    default:
      return undefined;
  }
}

/** The URL that a submodule's `url` means in the repository of `remote`; undefined: refused. */
export function findSubmoduleUrl(url: string, remote: string): GitUrl | undefined {
  const isRelative = url.startsWith('./') || url.startsWith('../');
  const text = isRelative ? resolveRelative(url, remote) : url;
  if (text === undefined || /[?#]/.test(text)) return undefined;
  const protocol = PROTOCOL.exec(text)?.[1]?.toLowerCase();
  // A submodule's URL need not end in .git.
  if (protocol === 'http' || protocol === 'https') return parseUrl(text, text);
  return findGitUrl(text);
}

function resolveRelative(url: string, remote: string): string | undefined {
  let base = remote.replace(/\/+$/, '');
  let rest = url;
  for (;;) {
    if (rest.startsWith('./')) rest = rest.slice(2);
    else if (rest.startsWith('../')) {
      rest = rest.slice(3);
      const root = /^[a-z]+:\/\/[^/]+/i.exec(base)?.[0] ?? /^[^:]+:/.exec(base)?.[0] ?? '';
      const slash = base.lastIndexOf('/');
      if (slash >= root.length) base = base.slice(0, slash);
      else if (!base.includes('://') && base.length > root.length) base = root.slice(0, -1);
      else return undefined;
    } else break;
  }
  const isBareHost = !base.includes('/') && !base.includes(':');
  return `${base}${isBareHost ? ':' : '/'}${rest}`;
}

/** The options that a URL carries, before they are put together. */
interface UrlOptions {
  readonly fragment: string;
  readonly query: URLSearchParams;
}

function parseUrl(url: string, original: string): GitUrl {
  const fail = failure(original);
  if (!URL.canParse(url)) throw fail('it is not a URL');
  const parsed = new URL(url);
  const { host, username, password, hash, searchParams } = parsed;
  const scheme = parsed.protocol.slice(0, -1) as GitScheme;
  if (host === '' || host.startsWith('-')) throw fail('it has no host');
  const bare = new URL(url);
  bare.hash = '';
  bare.search = '';
  bare.password = '';
  const isHttp = scheme === 'http' || scheme === 'https';
  if (isHttp) bare.username = '';
  const hasCredentials = isHttp && (username !== '' || password !== '');
  const options = { fragment: decode(hash.slice(1), fail), query: searchParams };
  return {
    scheme,
    host,
    remote: bare.href,
    credentials: hasCredentials
      ? { user: decode(username, fail), password: decode(password, fail) }
      : undefined,
    ...parseOptions(options, fail),
  };
}

function parseScp(text: string): GitUrl | undefined {
  const [whole, user = '', host = '', path = '', query = '', fragment = ''] = SCP.exec(text) ?? [];
  if (whole === undefined) return undefined;
  const fail = failure(text);
  if (host.startsWith('-') || user.startsWith('-')) throw fail('it has no host');
  if (path === '' || path.startsWith('-')) throw fail('it names no repository');
  const options = { fragment, query: new URLSearchParams(query) };
  const remote = `${user}@${host}:${path}`;
  return { scheme: 'ssh', host, remote, credentials: undefined, ...parseOptions(options, fail) };
}

type Options = Omit<GitUrl, 'scheme' | 'host' | 'remote' | 'credentials'>;
type Fail = (found: string, hint?: string) => UserError;

function parseOptions({ fragment, query }: UrlOptions, fail: Fail): Options {
  const values = queryValues(query, fail);
  const colon = fragment.indexOf(':');
  const fragmentRef = colon < 0 ? fragment : fragment.slice(0, colon);
  const fragmentDir = colon < 0 ? '' : fragment.slice(colon + 1);
  const qualified = (name: string, prefix: string): string | undefined => {
    const value = values.get(name);
    return value === undefined || value.startsWith(prefix) ? value : `${prefix}${value}`;
  };
  const refs = new Set(
    [
      fragmentRef === '' ? undefined : fragmentRef,
      values.get('ref'),
      qualified('tag', 'refs/tags/'),
      qualified('branch', 'refs/heads/'),
    ].filter((ref) => ref !== undefined),
  );
  if (refs.size > 1) throw fail(`it has two refs: ${[...refs].join(' and ')}`, 'Write one of them');
  const [ref] = refs;
  if (ref !== undefined) assertRef(ref, fail);
  const dirs = new Set([fragmentDir, values.get('subdir') ?? ''].map(cleanSubdir));
  dirs.delete('');
  if (dirs.size > 1) throw fail(`it has two subdirectories: ${[...dirs].join(' and ')}`);
  const [subdir = ''] = dirs;
  const checksum = (values.get('checksum') ?? values.get('commit'))?.toLowerCase();
  if (checksum !== undefined) assertCommitPrefix(checksum, fail);
  const byCommit = parseBoolean(values, 'fetch-by-commit', fail) ?? false;
  if (byCommit && (checksum === undefined || !isCommitId(checksum))) {
    throw fail('fetch-by-commit has no full commit', 'Add checksum=COMMIT, all digits of it');
  }
  return {
    ref: byCommit ? checksum : ref,
    checksum,
    subdir,
    keepGitDir: parseBoolean(values, 'keep-git-dir', fail),
    submodules: parseBoolean(values, 'submodules', fail) ?? true,
    mtime: parseMtime(values.get('mtime'), fail),
  };
}

const BOOLEAN_KEYS = new Set(['keep-git-dir', 'submodules', 'fetch-by-commit']);

function queryValues(query: URLSearchParams, fail: Fail): Map<string, string> {
  const values = new Map<string, string>();
  for (const [key, value] of query) {
    if (!QUERY_KEYS.includes(key)) {
      const near = suggest(key, QUERY_KEYS);
      const known = `It may have ${QUERY_KEYS.join(', ')}`;
      throw fail(`its query has "${key}"`, near === undefined ? known : `Did you mean "${near}"?`);
    }
    if (values.has(key)) throw fail(`its query has "${key}" twice`, 'Remove one');
    if (value === '' && !BOOLEAN_KEYS.has(key)) throw fail(`its "${key}" has no value`);
    values.set(key, value);
  }
  if (values.has('checksum') && values.has('commit')) {
    throw fail('its query has both "checksum" and "commit"', 'They mean the same: remove one');
  }
  if (values.has('tag') && values.has('branch')) {
    throw fail('its query has both "tag" and "branch"', 'Remove one');
  }
  return values;
}

function parseBoolean(
  values: ReadonlyMap<string, string>,
  key: string,
  fail: Fail,
): boolean | undefined {
  const value = values.get(key);
  if (value === undefined) return undefined;
  // The words that Go's strconv.ParseBool takes.
  if (/^(?:|1|t|T|true|TRUE|True)$/.test(value)) return true;
  if (/^(?:0|f|F|false|FALSE|False)$/.test(value)) return false;
  throw fail(`its "${key}" is "${value}", want true or false`);
}

function parseMtime(value: string | undefined, fail: Fail): GitUrl['mtime'] {
  if (value === undefined || value === 'commit') return 'commit';
  if (value === 'checkout') return 'checkout';
  throw fail(`its "mtime" is "${value}", want commit or checkout`);
}

/** Throws for what git would not take for the name of a ref, or for an option. */
function assertRef(ref: string, fail: Fail): void {
  // eslint-disable-next-line no-control-regex -- as git check-ref-format
  const bad = /[\u0000-\u0020\u007f~^:?*[\\]|\.\.|@\{|\/\/|\/$|^\/|^-|\.lock$/;
  if (bad.test(ref)) throw fail(`"${ref}" cannot be a ref`, 'Write a branch, a tag or a commit');
}

function assertCommitPrefix(checksum: string, fail: Fail): void {
  if (/^[0-9a-f]{1,64}$/.test(checksum)) return;
  throw fail(`"${checksum}" is no commit`, 'Write the hexadecimal digits of the commit');
}

/** `..` is clipped at the repository's root. */
function cleanSubdir(subdir: string): string {
  const parts: string[] = [];
  for (const part of subdir.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return parts.join('/');
}

function decode(text: string, fail: Fail): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (error instanceof URIError) throw fail('it has a % that is no escape', 'Write %25');
    throw error;
  }
}

function failure(text: string): Fail {
  return (found, hint) =>
    new UserError('TSB_PARSE', `Cannot use git repository "${redactUrls(text)}": ${found}`, {
      ...(hint !== undefined && { hint }),
    });
}
