import { UserError } from '../util/errors.js';
import { redactUrls } from '../util/redact.js';
import { suggest } from '../util/suggest.js';
import type { GitAuthorization, GitContext } from './git-process.js';
import { GitError, runGit } from './git-process.js';
import type { GitUrl } from './git-url.js';
import { isCommitId } from './git-url.js';

/** What a ref of a repository is. */
export interface ResolvedRef {
  /** Its full name; undefined: the URL names a commit. */
  readonly name: string | undefined;
  /** Hexadecimal; of an annotated tag, the commit that it is on. */
  readonly commit: string;
  /** The tag object of an annotated tag. */
  readonly tag: string | undefined;
}

/** For messages: the URL without its options. */
export function repositoryName({ remote }: Pick<GitUrl, 'remote'>): string {
  return `git repository "${redactUrls(remote)}"`;
}

/**
 * Asks the server what the URL's ref is; a full commit is not asked for. Throws TSB_BUILD if
 * there is no such ref, TSB_DIGEST_MISMATCH if the checksum is another's.
 */
export async function resolveRef(
  context: GitContext,
  url: GitUrl,
  authorization: GitAuthorization | undefined,
): Promise<ResolvedRef> {
  const resolved = await findRef(context, url, authorization);
  const { checksum } = url;
  const ids = [resolved.commit, ...(resolved.tag === undefined ? [] : [resolved.tag])];
  if (checksum === undefined || ids.some((id) => id.startsWith(checksum))) return resolved;
  throw new UserError(
    'TSB_DIGEST_MISMATCH',
    `Cannot use ${repositoryName(url)}: ${resolved.name ?? 'it'} is ${ids.join(' or ')}, want ${checksum}`,
    { hint: 'If the change is meant, write the new commit as the checksum' },
  );
}

async function findRef(
  context: GitContext,
  url: GitUrl,
  authorization: GitAuthorization | undefined,
): Promise<ResolvedRef> {
  const { ref, remote } = url;
  if (ref !== undefined && isCommitId(ref)) {
    return { name: undefined, commit: ref.toLowerCase(), tag: undefined };
  }
  const patterns = ref === undefined ? ['HEAD'] : [ref, `${ref}^{}`];
  const what = `read ${repositoryName(url)}`;
  const list = async (...args: string[]): Promise<Listing> => {
    try {
      const output = await runGit(context, { args: ['ls-remote', ...args], authorization, what });
      return parseListing(output.toString('utf8'));
    } catch (error) {
      throw explainGit(error, url);
    }
  };
  const listing = await list('--symref', '--', remote, ...patterns);
  const found = chooseRef(listing, ref);
  if (found !== undefined) return found;
  const all = ref === undefined ? undefined : await list('--heads', '--tags', '--', remote);
  throw noSuchRef(url, all);
}

/** Narrower than what git takes: enough for the branch that HEAD points to. */
const FULL_REF = /^refs\/heads\/(?!.*(?:\.\.|@\{|\/\/|\.lock$|\/$))[^\s\p{Cc}~^:?*[\\]+$/u;

interface Listing {
  readonly ids: ReadonlyMap<string, string>;
  /** What HEAD points to. */
  readonly head: string | undefined;
}

/** Lines `ID<tab>NAME`, and `ref: NAME<tab>HEAD`. */
export function parseListing(text: string): Listing {
  const ids = new Map<string, string>();
  let head: string | undefined;
  for (const line of text.split('\n')) {
    const [value = '', name = ''] = line.split('\t');
    if (value.startsWith('ref: ')) {
      const target = value.slice('ref: '.length);
      // A server can say anything; this becomes an argument of git.
      if (name === 'HEAD' && FULL_REF.test(target)) head = target;
    } else if (isCommitId(value) && name !== '') {
      ids.set(name, value.toLowerCase());
    }
  }
  return { ids, head };
}

/** The ref as named, else the branch, else the tag, as BuildKit chooses. */
function chooseRef({ ids, head }: Listing, ref: string | undefined): ResolvedRef | undefined {
  if (ref === undefined) {
    const commit = ids.get('HEAD');
    return commit === undefined ? undefined : { name: head ?? 'HEAD', commit, tag: undefined };
  }
  const candidates =
    ref === 'HEAD'
      ? ['HEAD']
      : [fullName('', ref), fullName('heads/', ref), fullName('tags/', ref)];
  const name = candidates.find((candidate) => ids.has(candidate));
  const id = name === undefined ? undefined : ids.get(name);
  if (name === undefined || id === undefined) return undefined;
  const peeled = ids.get(`${name}^{}`);
  return { name, commit: peeled ?? id, tag: peeled === undefined ? undefined : id };
}

function fullName(kind: string, ref: string): string {
  const prefix = `refs/${kind}`;
  return ref.startsWith(prefix) ? ref : `${prefix}${ref}`;
}

function noSuchRef(url: GitUrl, all: Listing | undefined): UserError {
  const { ref } = url;
  if (ref === undefined || all === undefined) {
    return new UserError(
      'TSB_BUILD',
      `Cannot use ${repositoryName(url)}: it has no default branch`,
      {
        hint: 'Name a branch, a tag or a commit: URL#REF',
      },
    );
  }
  const names = [...all.ids.keys()].map((name) => name.replace(/^refs\/(?:heads|tags)\//, ''));
  const near = suggest(ref, names);
  const hint = /^[0-9a-f]{4,63}$/i.test(ref)
    ? 'If it is a commit, write all digits of it'
    : near === undefined
      ? 'Write a branch, a tag, a full ref (refs/…) or a full commit'
      : `Did you mean "${near}"?`;
  return new UserError('TSB_BUILD', `Cannot use ${repositoryName(url)}: it has no ref "${ref}"`, {
    hint,
  });
}

/** A failure of git as one that the user can act on. */
export function explainGit(error: unknown, url: GitUrl): unknown {
  if (!(error instanceof GitError)) return error;
  const { message, stderr } = error;
  const fail = (code: 'TSB_AUTH' | 'TSB_NETWORK' | 'TSB_BUILD', hint?: string): UserError =>
    new UserError(code, message, {
      ...(hint !== undefined && { hint }),
      cause: error,
    });
  if (/transport '?ssh'? not allowed/.test(stderr)) {
    return fail('TSB_AUTH', 'Give the build your ssh agent: --ssh default');
  }
  if (/Host key verification failed/.test(stderr)) {
    return fail('TSB_AUTH', `Make the host known: ssh-keyscan ${url.host} >> ~/.ssh/known_hosts`);
  }
  if (
    /terminal prompts disabled|Authentication failed|could not read|Permission denied|403/.test(
      stderr,
    )
  ) {
    return fail(
      'TSB_AUTH',
      url.scheme === 'ssh'
        ? 'Add a key that may read it to your agent: ssh-add'
        : 'If it is private: --secret id=GIT_AUTH_TOKEN,env=NAME',
    );
  }
  if (/redirect|returned error: 30\d/i.test(stderr)) {
    return fail('TSB_BUILD', 'The repository has moved: write the URL where it is');
  }
  if (/Could not resolve|Failed to connect|unable to access|Connection|timed? ?out/i.test(stderr)) {
    return fail('TSB_NETWORK');
  }
  return fail('TSB_BUILD');
}
