import { UserError } from '../util/errors.js';
import { redactUrls } from '../util/redact.js';
import type { UrlCredentials } from './git-url.js';

/** What is fetched with HTTP. */
export interface HttpUrl {
  /** Without fragment and credentials. */
  readonly url: URL;
  readonly credentials: UrlCredentials | undefined;
  /** For messages. */
  readonly shown: string;
}

/** Whether a word is a URL of any scheme. */
export function findScheme(text: string): string | undefined {
  return /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase();
}

/** Parses an http or https URL. UserError TSB_PARSE, TSB_UNSUPPORTED for another scheme. */
export function parseHttpUrl(text: string): HttpUrl {
  const shown = redactUrls(text);
  const scheme = findScheme(text);
  if (scheme !== 'http' && scheme !== 'https') {
    const found = scheme === undefined ? 'it has no scheme' : `scheme ${scheme}`;
    throw new UserError(
      'TSB_UNSUPPORTED',
      `Cannot fetch "${shown}": ${found}, want http or https`,
      { hint: 'Fetch it yourself and COPY it' },
    );
  }
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined) {
    throw new UserError('TSB_PARSE', `Cannot fetch "${shown}": it is not a URL`);
  }
  const { username, password } = url;
  url.hash = '';
  url.username = '';
  url.password = '';
  const credentials =
    username === '' && password === ''
      ? undefined
      : { user: decoded(username), password: decoded(password) };
  return { url, credentials, shown };
}

/**
 * The name that ADD gives a URL's file: the last part of its path, decoded. Undefined: the path
 * has none that can be a file's name.
 */
export function findFileName({ url }: HttpUrl): string | undefined {
  const path = decoded(url.pathname).replace(/\/+$/, '');
  const name = path.slice(path.lastIndexOf('/') + 1);
  return name === '' || name === '.' || name === '..' || name.includes('\0') ? undefined : name;
}

/** The value of an Authorization header. */
export function basicAuthorization({ user, password }: UrlCredentials): string {
  return `Basic ${Buffer.from(`${user}:${password}`, 'utf8').toString('base64')}`;
}

/** A lone % stays. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (error instanceof URIError) return text;
    throw error;
  }
}
