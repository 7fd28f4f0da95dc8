import assert from 'node:assert/strict';
import test from 'node:test';
import { Random, seedOf } from '../testing/random.js';
import { Matcher } from './matcher.js';
import type { Match } from './matcher.js';

const ROUNDS = 2000;

function matches(needles: readonly Buffer[], bytes: Buffer): Match[] {
  const found: Match[] = [];
  new Matcher(needles).search(bytes, (match) => found.push(match));
  return sorted(found);
}

/** Every place of every needle, one after the other. */
function naive(needles: readonly Buffer[], bytes: Buffer): Match[] {
  const found: Match[] = [];
  for (const [index, needle] of needles.entries()) {
    for (let at = bytes.indexOf(needle); at >= 0; at = bytes.indexOf(needle, at + 1)) {
      found.push({ at, index });
    }
  }
  return sorted(found);
}

function sorted(found: readonly Match[]): Match[] {
  return found.toSorted((a, b) => a.at - b.at || a.index - b.index);
}

const CASES: readonly (readonly [name: string, needles: string[], text: string, want: string])[] = [
  ['at the beginning and the end', ['secret'], 'secret..secret', '0:0 8:0'],
  ['not a part', ['secret'], 'secre ecret', ''],
  ['overlapping itself', ['abab'], 'ababab', '0:0 2:0'],
  ['one in another', ['secretword', 'word'], 'a secretword', '2:0 8:1'],
  ['of two bytes', ['ab'], 'aabbab', '1:0 4:0'],
  ['the same twice', ['abc', 'abc'], 'abc', '0:0 0:1'],
  ['in nothing', ['abc'], '', ''],
  ['in less than it', ['abc'], 'ab', ''],
  [
    'longer than the window',
    ['0123456789abcdefghijklmnopq'],
    'x0123456789abcdefghijklmnopq',
    '1:0',
  ],
];
for (const [name, needles, text, want] of CASES) {
  test(`Matcher finds a needle ${name}`, () => {
    const found = matches(
      needles.map((needle) => Buffer.from(needle)),
      Buffer.from(text),
    );
    assert.equal(found.map(({ at, index }) => `${at}:${index}`).join(' '), want);
  });
}

test('Matcher finds what a search for one after the other finds', (t) => {
  const seed = seedOf('TSBUILD_FUZZ_SEED');
  t.diagnostic(`TSBUILD_FUZZ_SEED=${seed}`);
  const random = new Random(seed);
  for (let round = 0; round < ROUNDS; round++) {
    // Few letters: needles are found, begin alike and overlap.
    const letters = 1 + random.below(4);
    const text = (size: number): Buffer =>
      Buffer.from(Array.from({ length: size }, () => 0xfe + random.below(letters)));
    const bytes = text(random.below(300));
    const needles = Array.from({ length: 1 + random.below(6) }, () => {
      const size = 2 + random.below(random.chance(20) ? 40 : 6);
      const at = random.below(Math.max(1, bytes.length - size));
      return random.chance(50) && at + size <= bytes.length
        ? Buffer.from(bytes.subarray(at, at + size))
        : text(size);
    });
    assert.deepEqual(matches(needles, bytes), naive(needles, bytes), `round ${round}`);
  }
});
