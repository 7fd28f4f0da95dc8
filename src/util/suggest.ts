/** Edits beyond which two words are not taken for the same one misspelt. */
const DISTANCE_MAX = 2;

/**
 * The number of insertions, removals, replacements and swaps of neighbours that turn `a` into `b`;
 * what was swapped is not edited again.
 */
function editDistance(a: string, b: string): number {
  let above2: readonly number[] = [];
  let above = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const replaced = (above[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1);
      const inserted = (current[column - 1] ?? 0) + 1;
      const removed = (above[column] ?? 0) + 1;
      const isSwap = a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      const swapped = isSwap ? (above2[column - 2] ?? Infinity) + 1 : Infinity;
      current.push(Math.min(replaced, inserted, removed, swapped));
    }
    above2 = above;
    above = current;
  }
  return above[b.length] ?? 0;
}

/** Letters from which on the beginning of a word is taken for the word. */
const PREFIX_CHARS_MIN = 3;

/** How far `typed` is from having meant `candidate`; both in lower case. */
function distance(typed: string, candidate: string): number {
  const isPrefix = typed.length >= PREFIX_CHARS_MIN && candidate.startsWith(typed);
  return isPrefix && typed !== candidate ? 1 : editDistance(typed, candidate);
}

/** The candidate that `word` most likely meant; undefined if none is near. Case is ignored. */
export function suggest(word: string, candidates: Iterable<string>): string | undefined {
  const wanted = word.toLowerCase();
  let best: string | undefined;
  let bestDistance = Math.min(DISTANCE_MAX, Math.floor(wanted.length / 2)) + 1;
  for (const candidate of candidates) {
    const found = distance(wanted, candidate.toLowerCase());
    if (found >= bestDistance) continue;
    best = candidate;
    bestDistance = found;
  }
  return best;
}
