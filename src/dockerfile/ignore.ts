/*
 * .dockerignore, as moby's patternmatcher has it. One pattern a line, relative to the context's
 * root; `#` at the very start is a comment; blanks around are dropped; paths are cleaned, so
 * `/a/../b/` is `b`. A pattern also covers what is below a directory that it matches. `!` makes
 * an exception; of all patterns that match a path, the last one decides.
 *
 *   *  any text without /      ?  any character but /     [a-z] [^a-z]  classes
 *   **  any number of directories (or none)               \c  the character c
 */
import type { SourceRange } from '../util/errors.js';
import { UserError } from '../util/errors.js';
import type { PathPattern } from './path-patterns.js';
import { parsePathPattern, PathPatterns } from './path-patterns.js';
import { trimSpace } from './space.js';

/** The line of an ignore file that leaves a path out. */
export interface IgnoredBy {
  /** As written. */
  readonly pattern: string;
  readonly source: SourceRange;
}

/** Parses a .dockerignore. Throws TSB_PARSE with the line of a malformed pattern. */
export function parseIgnore(text: string, file = '.dockerignore'): IgnoreMatcher {
  const patterns: PathPattern[] = [];
  const lines: number[] = [];
  const plain = text.replace(/^\uFEFF/, '');
  for (const [index, line] of plain.split('\n').entries()) {
    if (line.startsWith('#') || trimSpace(line) === '') continue;
    try {
      patterns.push(parsePathPattern(line));
      lines.push(index + 1);
    } catch (error) {
      throw error instanceof UserError ? error.at(sourceOf(file, index + 1)) : error;
    }
  }
  return new IgnoreMatcher(patterns, { file, lines });
}

/**
 * Answers which paths of a build context are ignored. Paths are ordinary text, relative to the
 * context's root, with `/` between names and none at the ends; the root itself is `''`.
 */
export class IgnoreMatcher {
  /** As given to {@link parseIgnore}. */
  readonly file: string;
  readonly #patterns: PathPatterns;
  readonly #lines: readonly number[];

  constructor(
    patterns: readonly PathPattern[],
    { file, lines }: { readonly file: string; readonly lines: readonly number[] },
  ) {
    this.file = file;
    this.#patterns = new PathPatterns(patterns);
    this.#lines = lines;
  }

  /** Whether there is no pattern at all. */
  get isEmpty(): boolean {
    return this.#patterns.isEmpty;
  }

  /** Whether a line begins with `!`. */
  get hasExceptions(): boolean {
    return this.#patterns.hasExceptions;
  }

  /** Whether the path, file or directory, is left out of the context. */
  ignores(path: string): boolean {
    return !isRoot(path) && this.#patterns.matches(path);
  }

  /** The line that leaves the path out; undefined: it is not ignored. */
  ignoredBy(path: string): IgnoredBy | undefined {
    const pattern = isRoot(path) ? undefined : this.#patterns.decidedBy(path);
    if (pattern === undefined || pattern.exception) return undefined;
    const line = this.#lines[this.#patterns.patterns.indexOf(pattern)] ?? 1;
    return { pattern: pattern.written, source: sourceOf(this.file, line) };
  }

  /**
   * Whether a walk must enter the directory: it is not ignored, or an exception may bring back
   * something below it. May say yes where nothing is left, never no where something is.
   */
  mayContainUnignored(dir: string): boolean {
    return !this.ignores(dir) || this.#patterns.mayExceptBelow(dir);
  }
}

function isRoot(path: string): boolean {
  return path === '' || path === '.';
}

function sourceOf(file: string, line: number): SourceRange {
  return { file, startLine: line, endLine: line };
}
