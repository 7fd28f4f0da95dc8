// One pattern of .dockerignore as a predicate on paths. moby treats some shapes apart, and so
// it is here, because it shows:
//
//   no wildcard      the path itself
//   text/**          whatever begins with "text/" (not "text" itself)
//   **text           whatever ends with "text", even in the middle of a name
//   **/text          "text", or whatever ends with "/text"
//   anything else    a regular expression: ** and **/ are (.*/)?, at the end .*
import { UserError } from '../util/errors.js';
import { codePoints } from './glob.js';

/** A backtracking engine takes time n^repeats; beyond this, the slower table is used. */
const REGEXP_REPEATS_MAX = 2;

/** A part of a pattern: one character, or what repeats. */
interface Step {
  readonly kind: 'one' | 'name' | 'dirs' | 'rest';
  /** As a regular expression. */
  readonly source: string;
}

const NAME: Step = { kind: 'name', source: '[^/]*' };
const DIRS: Step = { kind: 'dirs', source: '(?:.*/)?' };
const REST: Step = { kind: 'rest', source: '.*' };

const SYNTAX_CHARACTERS = /[\^$\\.*+?()[\]{}|/]/;

/**
 * Compiles a cleaned pattern that is known to be well-formed. Throws TSB_PARSE for a class with a
 * range whose end comes before its beginning.
 */
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
  const steps = parseSteps(pattern);
  const repeats = steps.filter(({ kind }) => kind !== 'one').length;
  try {
    return repeats <= REGEXP_REPEATS_MAX ? regExpMatcher(steps) : tableMatcher(steps);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new UserError(
      'TSB_PARSE',
      `Cannot parse pattern "${pattern}": found a range in [] that ends before it begins`,
      { hint: 'Write the lower character first, as in [a-z]', cause: error },
    );
  }
}

function regExpMatcher(steps: readonly Step[]): (path: string) => boolean {
  const expression = new RegExp(`^${steps.map(({ source }) => source).join('')}$`, 'su');
  return (path) => expression.test(path);
}

/** Takes time proportional to pattern × path, whatever the pattern. */
function tableMatcher(steps: readonly Step[]): (path: string) => boolean {
  const backwards = steps
    .map(({ kind, source }) => ({ kind, accepts: new RegExp(`^${source}$`, 'su') }))
    .reverse();
  return (path) => {
    const characters = codePoints(path);
    // Whether the steps behind the current one match the rest of the path, by where that begins.
    let behind = characters.map(() => false);
    behind.push(true);
    for (const { kind, accepts } of backwards) {
      const here = [...behind];
      let afterSlash = false;
      for (let at = characters.length - 1; at >= 0; at--) {
        const character = characters[at] ?? '';
        const next = behind[at + 1] === true;
        afterSlash ||= character === '/' && next;
        if (kind === 'one') here[at] = next && accepts.test(character);
        else if (kind === 'dirs') here[at] ||= afterSlash;
        else here[at] ||= here[at + 1] === true && (kind === 'rest' || character !== '/');
      }
      if (kind === 'one') here[characters.length] = false;
      behind = here;
    }
    return behind[0] === true;
  };
}

function parseSteps(pattern: string): Step[] {
  const characters = codePoints(pattern);
  const steps: Step[] = [];
  const one = (source: string): unknown => steps.push({ kind: 'one', source });
  for (let at = 0; at < characters.length; at++) {
    const character = characters[at] ?? '';
    if (character === '*' && characters[at + 1] === '*') {
      at += characters[at + 2] === '/' ? 2 : 1;
      steps.push(at + 1 === characters.length ? REST : DIRS);
    } else if (character === '*') steps.push(NAME);
    else if (character === '?') one('[^/]');
    else if (character === '[') {
      const end = classEnd(characters, at);
      one(classSource(characters.slice(at + 1, end)));
      at = end;
    } else if (character === '\\') one(literal(characters[++at] ?? '\\'));
    else one(literal(character));
  }
  return steps;
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
