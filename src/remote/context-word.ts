import { UserError } from '../util/errors.js';
import { redactUrls } from '../util/redact.js';
import type { GitUrl } from './git-url.js';
import { findGitUrl } from './git-url.js';
import type { HttpUrl } from './http-url.js';
import { findScheme, parseHttpUrl } from './http-url.js';

/** Where the files of a build come from. */
export type ContextWord =
  | { readonly kind: 'directory'; readonly path: string }
  | { readonly kind: 'stdin' }
  | { readonly kind: 'git'; readonly url: GitUrl }
  | { readonly kind: 'http'; readonly target: HttpUrl };

/**
 * What the word for a build context means. `isDirectory`: whether there is one of that name, which
 * comes first. UserError TSB_CONTEXT, TSB_PARSE for what can be none.
 */
export function parseContextWord(
  word: string,
  isDirectory: (path: string) => boolean,
): ContextWord {
  if (word === '-') return { kind: 'stdin' };
  if (isDirectory(word)) return { kind: 'directory', path: word };
  const git = findGitUrl(word, { hostPath: true });
  if (git !== undefined) return { kind: 'git', url: git };
  const scheme = findScheme(word);
  if (scheme === 'http' || scheme === 'https') return { kind: 'http', target: parseHttpUrl(word) };
  if (scheme === undefined) return { kind: 'directory', path: word };
  throw new UserError(
    'TSB_CONTEXT',
    `Cannot use build context "${redactUrls(word)}": scheme ${scheme}, want a directory, -, or a git or http URL`,
  );
}
