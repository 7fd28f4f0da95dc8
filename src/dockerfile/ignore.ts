/*
 * .dockerignore, as moby's patternmatcher has it. One pattern a line, relative to the context's
 * root; `#` at the very start is a comment; blanks around are dropped; paths are cleaned, so
 * `/a/../b/` is `b`. A pattern also covers what is below a directory that it matches. `!` makes
 * an exception; of all patterns that match a path, the last one decides.
 *
 *   *  any text without /      ?  any character but /     [a-z] [^a-z]  classes
 *   **  any number of directories (or none)               \c  the character c
 */
import { posix } from 'node:path';
import { UserError } from '../util/errors.js';
import { compileGoMatch } from './go-match.js';
import { compileIgnorePattern } from './ignore-pattern.js';

/** Directories whose matches are remembered; the memory starts anew beyond. */
const REMEMBERED_DIRS_MAX = 4096;

interface Pattern {
  readonly exception: boolean;
  /** Cleaned, without `!`. */
  readonly text: string;
  readonly matches: (path: string) => boolean;
}

/** Which pattern matches a path or a directory above it: one entry for each pattern. */
type Matches = readonly boolean[];

/** Parses a .dockerignore. Throws TSB_PARSE with the line of a malformed pattern. */
export function parseIgnore(text: string, file = '.dockerignore'): IgnoreMatcher {
  const patterns: Pattern[] = [];
  for (const [index, line] of text
    .replace(/^\uFEFF/, '')
    .split('\n')
    .entries()) {
    const written = line.trim();
    if (line.startsWith('#') || written === '') continue;
    try {
      patterns.push(parsePattern(written));
    } catch (error) {
      const source = { file, startLine: index + 1, endLine: index + 1 };
      throw error instanceof UserError ? error.at(source) : error;
    }
  }
  return new IgnoreMatcher(patterns);
}

/**
 * Answers which paths of a build context are ignored. Paths are ordinary text, relative to the
 * context's root, with `/` between names and none at the ends; the root itself is `''`.
 */
export class IgnoreMatcher {
  readonly #patterns: readonly Pattern[];
  readonly #remembered = new Map<string, Matches>();

  constructor(patterns: readonly Pattern[]) {
    this.#patterns = patterns;
  }

  /** Whether there is no pattern at all. */
  get isEmpty(): boolean {
    return this.#patterns.length === 0;
  }

  /** Whether the path, file or directory, is left out of the context. */
  ignores(path: string): boolean {
    if (path === '' || path === '.') return false;
    let ignored = false;
    for (const [index, matched] of this.#matches(path).entries()) {
      if (matched) ignored = this.#patterns[index]?.exception !== true;
    }
    return ignored;
  }

  /**
   * Whether a walk must enter the directory: it is not ignored, or an exception may bring back
   * something below it. May say yes where nothing is left, never no where something is.
   */
  mayContainUnignored(dir: string): boolean {
    if (!this.ignores(dir)) return true;
    const names = dir.split('/');
    return this.#patterns.some(({ exception, text }) => exception && mayReachBelow(text, names));
  }

  #matches(path: string): Matches {
    const slash = path.lastIndexOf('/');
    const above = slash < 0 ? undefined : this.#matchesOfDir(path.slice(0, slash));
    return this.#patterns.map((pattern, index) => above?.[index] === true || pattern.matches(path));
  }

  #matchesOfDir(dir: string): Matches {
    const remembered = this.#remembered.get(dir);
    if (remembered !== undefined) return remembered;
    const matches = this.#matches(dir);
    if (this.#remembered.size >= REMEMBERED_DIRS_MAX) this.#remembered.clear();
    this.#remembered.set(dir, matches);
    return matches;
  }
}

function parsePattern(written: string): Pattern {
  const exception = written.startsWith('!');
  const path = exception ? written.slice(1).trim() : written;
  if (path === '') {
    throw new UserError('TSB_PARSE', 'Cannot parse pattern "!": found no path behind it', {
      hint: 'Write !path to make an exception',
    });
  }
  const text = cleanPath(path);
  compileGoMatch(text);
  return { exception, text, matches: compileIgnorePattern(text) };
}

/** Go's filepath.Clean, then without the slash of an absolute path. */
function cleanPath(path: string): string {
  const normal = posix.normalize(path);
  return normal === '/' ? normal : normal.replace(/^\//, '').replace(/\/$/, '');
}

/** Whether `pattern` can match something below the directory, name by name. */
function mayReachBelow(pattern: string, dirNames: readonly string[]): boolean {
  const parts = pattern.split('/');
  for (const [index, name] of dirNames.entries()) {
    const part = parts[index];
    // The pattern matches a directory above: it covers everything below.
    if (part === undefined || part.includes('**')) return true;
    if (!compileGoMatch(part)(name)) return false;
  }
  return true;
}
