/**
 * Names of images, as github.com/distribution/reference reads them:
 *
 *     reference  = name [ ":" tag ] [ "@" digest ]
 *     name       = [ domain "/" ] component *( "/" component )
 *     domain     = host [ ":" port ]      what is before the first "/", if it has a "." or ":",
 *                                         an upper-case letter, or is "localhost"
 *     component  = alnum *( ( "." | "_" | "__" | 1*"-" ) alnum )       lower case
 *     tag        = ( letter | digit | "_" ) up to 127 × ( … | "." | "-" )
 *
 * `debian` is docker.io/library/debian, `me/app` is docker.io/me/app.
 */
import { UserError } from '../util/errors.js';
import type { Digest } from './digest.js';
import { isDigest } from './digest.js';

/** A parsed, normalised name of an image. */
export interface Reference {
  /** The registry, like `docker.io` or `localhost:5000`. */
  readonly domain: string;
  /** The repository there, like `library/debian`. */
  readonly path: string;
  readonly tag?: string;
  readonly digest?: Digest;
}

export const DEFAULT_DOMAIN = 'docker.io';
export const DEFAULT_TAG = 'latest';
/** What docker.io calls itself in old names. */
const LEGACY_DOMAIN = 'index.docker.io';
const OFFICIAL = 'library/';
/** Of the repository, without the domain: distribution's RepositoryNameTotalLengthMax. */
const PATH_LENGTH_MAX = 255;

const LABEL = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])';
const DOMAIN = new RegExp(`^(?:${LABEL}(?:\\.${LABEL})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?$`);
const COMPONENT = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*';
const PATH = new RegExp(`^${COMPONENT}(?:/${COMPONENT})*$`);
const TAG = /^\w[\w.-]{0,127}$/;
const TAG_LENGTH_MAX = 128;

const USUAL_HINT = 'write NAME, NAME:TAG or HOST/NAME:TAG';

/** Parses and normalises a reference; UserError TSB_REFERENCE says what is wrong with it. */
export function parseReference(text: string): Reference {
  const refuse = (found: string, hint = USUAL_HINT): UserError =>
    new UserError('TSB_REFERENCE', `Cannot parse image name ${JSON.stringify(text)}: ${found}`, {
      hint,
    });
  if (text === '') throw refuse('it is empty', 'for example debian:bookworm');
  if (/^[a-f0-9]{64}$/.test(text)) {
    throw refuse('64 hex digits are an image id, not a name', `write NAME@sha256:${text}`);
  }
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//.exec(text);
  if (scheme?.[1] !== undefined) {
    throw refuse(`it begins with ${scheme[0]}`, `write ${text.slice(scheme[0].length)}`);
  }
  const at = text.indexOf('@');
  const digest = at === -1 ? undefined : text.slice(at + 1);
  if (digest !== undefined && !isDigest(digest)) {
    throw refuse(`digest ${JSON.stringify(digest)}, want sha256: and 64 lower-case hex digits`);
  }
  const { domain, rest } = splitDomain(at === -1 ? text : text.slice(0, at));
  const colon = rest.indexOf(':');
  const tag = colon === -1 ? undefined : rest.slice(colon + 1);
  const name = colon === -1 ? rest : rest.slice(0, colon);
  const path = domain === DEFAULT_DOMAIN && !name.includes('/') ? `${OFFICIAL}${name}` : name;
  assertPath(name, path, text, refuse);
  if (!DOMAIN.test(domain)) throw refuse(`${JSON.stringify(domain)} is no registry host`);
  if (tag !== undefined && !TAG.test(tag)) {
    const found =
      tag.length > TAG_LENGTH_MAX
        ? `tag of ${tag.length} characters`
        : `tag ${JSON.stringify(tag)}`;
    throw refuse(`${found}, want up to 128 letters, digits, "_", "." and "-"`);
  }
  return {
    domain,
    path,
    ...(tag !== undefined && { tag }),
    ...(digest !== undefined && { digest }),
  };
}

/** `docker.io/library/debian:bookworm`: every part written out. */
export function formatReference({ domain, path, tag, digest }: Reference): string {
  return `${domain}/${path}${suffix(tag, digest)}`;
}

/** `debian:bookworm`: as people write it; parses to the same reference. */
export function formatFamiliar({ domain, path, tag, digest }: Reference): string {
  const end = suffix(tag, digest);
  if (domain !== DEFAULT_DOMAIN) return `${domain}/${path}${end}`;
  const short = path.startsWith(OFFICIAL) ? path.slice(OFFICIAL.length) : path;
  return `${short.includes('/') && path !== short ? path : short}${end}`;
}

/** `docker.io/library/debian`: where the image lies, without tag and digest. */
export function formatRepository({ domain, path }: Reference): string {
  return `${domain}/${path}`;
}

/** The reference with `latest` if it has neither tag nor digest. */
export function withDefaultTag(reference: Reference): Reference {
  if (reference.tag !== undefined || reference.digest !== undefined) return reference;
  return { ...reference, tag: DEFAULT_TAG };
}

/** The same repository at `digest`, without a tag. */
export function withDigest({ domain, path }: Reference, digest: Digest): Reference {
  return { domain, path, digest };
}

function suffix(tag: string | undefined, digest: Digest | undefined): string {
  return `${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`;
}

function splitDomain(text: string): { domain: string; rest: string } {
  const slash = text.indexOf('/');
  const first = text.slice(0, Math.max(slash, 0));
  const isDomain = /[.:A-Z]/.test(first) || first === 'localhost';
  if (!isDomain) return { domain: DEFAULT_DOMAIN, rest: text };
  const domain = first === LEGACY_DOMAIN ? DEFAULT_DOMAIN : first;
  return { domain, rest: text.slice(slash + 1) };
}

function assertPath(
  name: string,
  path: string,
  text: string,
  refuse: (found: string, hint?: string) => UserError,
): void {
  if (name === '') throw refuse('no repository', 'for example debian:bookworm');
  if (/[A-Z]/.test(name)) {
    const hint = PATH.test(path.toLowerCase())
      ? `write ${text.replace(name, name.toLowerCase())}`
      : USUAL_HINT;
    throw refuse(`upper-case letters in ${JSON.stringify(name)}`, hint);
  }
  if (!PATH.test(path)) {
    throw refuse(
      `repository ${JSON.stringify(name)}, want lower-case letters and digits, separated by one of "/", ".", "_", "__", "-"`,
    );
  }
  if (path.length > PATH_LENGTH_MAX) {
    throw refuse(`repository of ${path.length} characters, want at most ${PATH_LENGTH_MAX}`);
  }
}
