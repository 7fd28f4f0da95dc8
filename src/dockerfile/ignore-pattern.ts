// One pattern of .dockerignore as a predicate on paths. moby treats some shapes apart, and so
// it is here, because it shows:
//
//   no wildcard      the path itself
//   text/**          whatever begins with "text/" (not "text" itself)
//   **text           whatever ends with "text", even in the middle of a name
//   **/text          "text", or whatever ends with "/text"
//   anything else    a regular expression: ** and **/ are (.*/)?, at the end .*
import { codePoints } from './glob.js';

const SYNTAX_CHARACTERS = /[\^$\\.*+?()[\]{}|/]/;

/** Compiles a cleaned pattern that is known to be well-formed. */
export function compileIgnorePattern(pattern: string): (path: string) => boolean {
  const isPlain = (text: string): boolean => !/[*?[\]\\]/.test(text);
  if (isPlain(pattern)) return (path) => path === pattern;
  const suffix = /^\*\*(\/?)(.*)$/s.exec(pattern);
  if (suffix !== null && isPlain(suffix[2] ?? '')) {
    const [, slash = '', text = ''] = suffix;
    return (path) => path.endsWith(slash + text) || (slash !== '' && path === text);
  }
  const prefix = /^(.*)\*\*$/s.exec(pattern)?.[1];
  if (prefix !== undefined && isPlain(prefix)) return (path) => path.startsWith(prefix);
  const expression = toRegExp(pattern);
  return (path) => expression.test(path);
}

function toRegExp(pattern: string): RegExp {
  const characters = codePoints(pattern);
  let source = '';
  for (let at = 0; at < characters.length; at++) {
    const character = characters[at] ?? '';
    if (character === '*' && characters[at + 1] === '*') {
      at += characters[at + 2] === '/' ? 2 : 1;
      source += at + 1 === characters.length ? '.*' : '(?:.*/)?';
    } else if (character === '*') source += '[^/]*';
    else if (character === '?') source += '[^/]';
    else if (character === '[') {
      const end = classEnd(characters, at);
      source += classSource(characters.slice(at + 1, end));
      at = end;
    } else if (character === '\\') source += literal(characters[++at] ?? '\\');
    else source += literal(character);
  }
  return new RegExp(`^${source}$`, 'su');
}

/** The index of the `]` that ends the class which begins at `start`. */
function classEnd(characters: readonly string[], start: number): number {
  let at = start + (characters[start + 1] === '^' ? 2 : 1);
  for (; at < characters.length && characters[at] !== ']'; at++) {
    if (characters[at] === '\\') at++;
  }
  return at;
}

function classSource(inside: readonly string[]): string {
  let source = '';
  for (let at = 0; at < inside.length; at++) {
    const character = inside[at] ?? '';
    if (character === '\\') source += literal(inside[++at] ?? '\\', '-');
    else if (character === '^' || character === '-') source += character;
    else source += literal(character);
  }
  return `[${source}]`;
}

function literal(character: string, alsoEscaped = ''): string {
  const special = SYNTAX_CHARACTERS.test(character) || character === alsoEscaped;
  return special ? `\\${character}` : character;
}
