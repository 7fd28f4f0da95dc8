import { UserError } from '../util/errors.js';

/** One step of a compiled pattern: a character that passes, or a run of such characters. */
export interface GlobToken {
  readonly kind: 'one' | 'star';
  readonly accepts: (character: string) => boolean;
}

/** What an automaton over `tokens` does: the states reached, one bit per token passed. */
type States = boolean[];

/** How many steps an automaton may still take. */
export interface Budget {
  steps: number;
}

/**
 * All lengths (in characters, ascending) at which `tokens` match a prefix of `characters` from
 * `start` on. Takes time proportional to pattern × text, whatever the pattern; throws TSB_LIMIT
 * when that is more than `budget` has left.
 */
export function matchLengths(
  tokens: readonly GlobToken[],
  characters: readonly string[],
  { start = 0, budget }: { start?: number; budget?: Budget } = {},
): number[] {
  let states: States = skipStars(tokens, [true]);
  const lengths = states[tokens.length] === true ? [0] : [];
  for (let at = start; at < characters.length && states.includes(true); at++) {
    if (budget !== undefined && (budget.steps -= tokens.length) < 0) throw tooManySteps();
    states = skipStars(tokens, advance(tokens, states, characters[at] ?? ''));
    if (states[tokens.length] === true) lengths.push(at + 1 - start);
  }
  return lengths;
}

function tooManySteps(): UserError {
  return new UserError('TSB_LIMIT', 'Cannot match a pattern: the value is too long for it', {
    hint: 'Shorten the value, or do it in a RUN with sed',
  });
}

/** Whether `tokens` match all of `characters`. */
export function matchesWhole(tokens: readonly GlobToken[], characters: readonly string[]): boolean {
  return matchLengths(tokens, characters).at(-1) === characters.length;
}

function advance(tokens: readonly GlobToken[], states: States, character: string): States {
  const next: States = [];
  for (const [index, token] of tokens.entries()) {
    if (states[index] !== true || !token.accepts(character)) continue;
    next[token.kind === 'star' ? index : index + 1] = true;
  }
  return next;
}

/** A star may match nothing: whoever stands before it stands behind it as well. */
function skipStars(tokens: readonly GlobToken[], states: States): States {
  for (const [index, token] of tokens.entries()) {
    if (states[index] === true && token.kind === 'star') states[index + 1] = true;
  }
  return states;
}

/** The characters of a text, as patterns count them. */
export function codePoints(text: string): string[] {
  return Array.from(text);
}
