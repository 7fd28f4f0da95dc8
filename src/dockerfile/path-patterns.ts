// Lists of patterns as moby's patternmatcher has them: .dockerignore, --exclude, --parents.
//
// A pattern also covers what is below a directory that it matches. `!` makes an exception; of
// all patterns that match a path, the last one decides. Down a path, an exception is only asked
// where something has matched already: with "a/b" then "!a", a/b stays matched, because nothing
// was to be excepted at "a".
import { posix } from 'node:path';
import { UserError } from '../util/errors.js';
import { compileGoMatch, type GoMatcher } from './go-match.js';
import { compileIgnorePattern } from './ignore-pattern.js';
import { trimSpace } from './space.js';

/** Directories whose matches are remembered; the memory starts anew beyond. */
const REMEMBERED_DIRS_MAX = 4096;

/** In a component: it is more than a name. Classes match `/`, and a `/` may stand in one. */
const SEVERAL_NAMES = /\*\*|[[\\]/;

/** One pattern of a list. */
export interface PathPattern {
  readonly exception: boolean;
  /** As written, blanks around it dropped. */
  readonly written: string;
  /** Cleaned, without `!`. */
  readonly text: string;
  readonly matches: (path: string) => boolean;
  /** One for each component of {@link text}; undefined: it may match more than one name. */
  readonly components: readonly (GoMatcher | undefined)[];
}

/** Which pattern matches a path or a directory above it: one entry for each pattern. */
type Matches = readonly boolean[];

/**
 * Patterns that a path is matched against as a whole. Paths are ordinary text, relative, with `/`
 * between names and none at the ends.
 */
export class PathPatterns {
  readonly patterns: readonly PathPattern[];
  readonly #remembered = new Map<string, Matches>();

  constructor(patterns: readonly PathPattern[]) {
    this.patterns = patterns;
  }

  /** Whether there is no pattern at all. */
  get isEmpty(): boolean {
    return this.patterns.length === 0;
  }

  get hasExceptions(): boolean {
    return this.patterns.some(({ exception }) => exception);
  }

  /** Whether the path matches, and no later exception does. */
  matches(path: string): boolean {
    return this.decidedBy(path)?.exception === false;
  }

  /** The pattern that decides about the path, exceptions included; undefined: none does. */
  decidedBy(path: string): PathPattern | undefined {
    return this.patterns[this.#matches(path).lastIndexOf(true)];
  }

  /** Whether something below the directory may match. Never no where something does. */
  mayMatchBelow(dir: string): boolean {
    return this.#mayReach(dir, false);
  }

  /** Whether an exception may hold below the directory. Never no where one does. */
  mayExceptBelow(dir: string): boolean {
    return this.#mayReach(dir, true);
  }

  #mayReach(dir: string, exceptions: boolean): boolean {
    const names = dir === '' ? [] : dir.split('/');
    return this.patterns.some(
      (pattern) => pattern.exception === exceptions && reaches(pattern, names),
    );
  }

  #matches(path: string): Matches {
    const slash = path.lastIndexOf('/');
    const above = slash < 0 ? undefined : this.#matchesOfDir(path.slice(0, slash));
    let matched = false;
    return this.patterns.map((pattern, index) => {
      const { exception } = pattern;
      const hit = above?.[index] === true || (exception === matched && pattern.matches(path));
      if (hit) matched = !exception;
      return hit;
    });
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

/** Patterns given one by one, as with `--exclude`; empty ones are none. Throws as {@link parsePathPattern}. */
export function parsePathPatterns(written: readonly string[]): PathPatterns {
  const trimmed = written.map(trimSpace).filter((text) => text !== '');
  return new PathPatterns(trimmed.map(parsePathPattern));
}

/**
 * One pattern, with `!` for an exception, relative to the root of what is matched: it is cleaned,
 * so `/a/../b/` is `b`. Throws TSB_PARSE without a position if it is malformed.
 */
export function parsePathPattern(given: string): PathPattern {
  const written = trimSpace(given);
  const exception = written.startsWith('!');
  const path = exception ? trimSpace(written.slice(1)) : written;
  if (path === '') {
    throw new UserError('TSB_PARSE', 'Cannot parse pattern "!": found no path behind it', {
      hint: 'Write !path to make an exception',
    });
  }
  return { ...compilePathPattern(path), exception, written };
}

/** A pattern in which `!` means nothing. Throws TSB_PARSE without a position if it is malformed. */
export function compilePathPattern(path: string): PathPattern {
  const text = cleanPath(path);
  compileGoMatch(text);
  const components = text
    .split('/')
    .map((part) => (SEVERAL_NAMES.test(part) ? undefined : compileGoMatch(part)));
  const matches = compileIgnorePattern(text);
  return { exception: false, written: path, text, matches, components };
}

/** Go's filepath.Clean, then without the slash of an absolute path. */
function cleanPath(path: string): string {
  const normal = posix.normalize(path);
  return normal === '/' ? normal : normal.replace(/^\//, '').replace(/\/$/, '');
}

/** Whether a pattern can match something below the directory, name by name. */
function reaches({ components }: PathPattern, dirNames: readonly string[]): boolean {
  for (const [index, name] of dirNames.entries()) {
    const component = components[index];
    // The pattern matches a directory above, or any depth: it may cover everything below.
    if (component === undefined) return true;
    if (!component(name)) return false;
  }
  return true;
}
