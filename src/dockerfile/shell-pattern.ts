/*
 * Patterns of ${v#p}, ${v%p} and ${v/p/r}: `*` is any text, `?` one character, `\` takes the
 * special meaning from `*`, `?`, `\`, and from the `}` and `/` that would end the pattern.
 * Bracket expressions are ordinary text, as in BuildKit.
 */
import { UserError } from '../util/errors.js';
import { codePoints, type GlobToken, matchLengths } from './glob.js';

/** Of the automaton in one expansion: a replacement may try a long match at each character. */
const STEPS_MAX = 5_000_000;

/** `value` without its shortest (or, `greedy`, longest) prefix that matches. */
export function trimPrefix(value: string, pattern: string, greedy: boolean): string {
  const characters = codePoints(value);
  const lengths = matchLengths(compile(pattern), characters, { budget: { steps: STEPS_MAX } });
  const length = greedy ? lengths.at(-1) : lengths[0];
  return characters.slice(length ?? 0).join('');
}

/** `value` without its shortest (or, `greedy`, longest) suffix that matches. */
export function trimSuffix(value: string, pattern: string, greedy: boolean): string {
  const reversed = codePoints(value).reverse();
  const lengths = matchLengths(compile(pattern).reverse(), reversed, {
    budget: { steps: STEPS_MAX },
  });
  const length = greedy ? lengths.at(-1) : lengths[0];
  return reversed
    .slice(length ?? 0)
    .reverse()
    .join('');
}

/** `value` with its first (or, `all`, every) longest match replaced. */
export function replacePattern(
  value: string,
  { pattern, replacement, all }: { pattern: string; replacement: string; all: boolean },
): string {
  const tokens = compile(pattern);
  const characters = codePoints(value);
  const budget = { steps: STEPS_MAX };
  let result = '';
  let at = 0;
  // An empty match right behind a match does not count: ${v//*/x} is one x.
  let matchEnd = -1;
  while (at <= characters.length) {
    const length = matchLengths(tokens, characters, { start: at, budget }).at(-1);
    if (length !== undefined && (length > 0 || at !== matchEnd)) {
      result += replacement;
      at += length;
      matchEnd = at;
      if (!all) break;
      if (length > 0) continue;
    }
    result += characters[at] ?? '';
    at++;
  }
  return result + characters.slice(at).join('');
}

function compile(pattern: string): GlobToken[] {
  const tokens: GlobToken[] = [];
  const characters = codePoints(pattern);
  for (let at = 0; at < characters.length; at++) {
    const character = characters[at] ?? '';
    if (character === '*') tokens.push({ kind: 'star', accepts: () => true });
    else if (character === '?') tokens.push({ kind: 'one', accepts: () => true });
    else if (character === '\\') tokens.push(literal(escaped(characters[++at], pattern)));
    else tokens.push(literal(character));
  }
  return tokens;
}

function escaped(character: string | undefined, pattern: string): string {
  if (character !== undefined && '*?\\}/'.includes(character)) return character;
  throw new UserError(
    'TSB_PARSE',
    `Cannot expand pattern "${pattern}": found \\${character ?? ''}, want \\*, \\?, \\\\, \\} or \\/`,
    { hint: 'Write \\\\ for a backslash' },
  );
}

function literal(wanted: string): GlobToken {
  return { kind: 'one', accepts: (character) => character === wanted };
}
