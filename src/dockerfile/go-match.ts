/*
 * Go's filepath.Match, the wildcards of COPY, ADD and .dockerignore:
 *
 *   *          any text without /          ?         any character but /
 *   [a-z0-9]   a character of the class    [^a-z]    one outside of it
 *   \c         the character c
 */
import { UserError } from '../util/errors.js';
import { codePoints, type GlobToken, matchesWhole } from './glob.js';

/** A pattern, compiled once and matched against whole names. */
export type GoMatcher = (name: string) => boolean;

/** Whether `pattern` matches all of `name`. Throws TSB_PARSE for a malformed pattern. */
export function goMatch(pattern: string, name: string): boolean {
  return compileGoMatch(pattern)(name);
}

/** Compiles `pattern`. Throws TSB_PARSE if it is malformed. */
export function compileGoMatch(pattern: string): GoMatcher {
  const tokens = compile(pattern);
  return (name) => matchesWhole(tokens, codePoints(name));
}

/** Whether a path has a wildcard that no backslash escapes. */
export function hasWildcard(path: string): boolean {
  return /^(?:[^\\]|\\.)*?[*?[]/su.test(path);
}

/** A pattern without wildcards as the name that it stands for. */
export function unescapePattern(pattern: string): string {
  return pattern.replace(/\\(.)/gsu, '$1');
}

const notSlash = (character: string): boolean => character !== '/';

function compile(pattern: string): GlobToken[] {
  const characters = codePoints(pattern);
  const tokens: GlobToken[] = [];
  let at = 0;
  while (at < characters.length) {
    const character = characters[at++] ?? '';
    if (character === '*') tokens.push({ kind: 'star', accepts: notSlash });
    else if (character === '?') tokens.push({ kind: 'one', accepts: notSlash });
    else if (character === '[') {
      const parsed = parseClass({ pattern, characters, at });
      tokens.push({ kind: 'one', accepts: parsed.accepts });
      at = parsed.end;
    } else if (character === '\\') {
      tokens.push(literal(characters[at++] ?? fail(pattern, 'a lone \\ at its end')));
    } else tokens.push(literal(character));
  }
  return tokens;
}

interface ClassSyntax {
  readonly pattern: string;
  readonly characters: readonly string[];
  /** The index behind `[`. */
  readonly at: number;
}

function parseClass({ pattern, characters, at }: ClassSyntax): {
  accepts: GlobToken['accepts'];
  end: number;
} {
  const negated = characters[at] === '^';
  if (negated) at++;
  const ranges: [low: number, high: number][] = [];
  const bound = (): number => {
    let character = characters[at++];
    if (character === '-' || character === ']') fail(pattern, `a bare ${character} in a class`);
    if (character === '\\') character = characters[at++];
    return character?.codePointAt(0) ?? fail(pattern, 'a class without ]');
  };
  while (characters[at] !== ']' || ranges.length === 0) {
    const low = bound();
    if (characters[at] !== '-') {
      ranges.push([low, low]);
      continue;
    }
    at++;
    ranges.push([low, bound()]);
  }
  const accepts = (character: string): boolean => {
    const code = character.codePointAt(0) ?? 0;
    return ranges.some(([low, high]) => low <= code && code <= high) !== negated;
  };
  return { accepts, end: at + 1 };
}

function literal(wanted: string): GlobToken {
  return { kind: 'one', accepts: (character) => character === wanted };
}

function fail(pattern: string, found: string): never {
  throw new UserError('TSB_PARSE', `Cannot match pattern "${pattern}": found ${found}`, {
    hint: 'Put a \\ before a character that stands for itself',
  });
}
