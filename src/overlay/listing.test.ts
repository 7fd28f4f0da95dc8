import assert from 'node:assert/strict';
import test from 'node:test';

import { byteNameOf } from '../util/byte-name.js';
import { Listing } from './listing.js';

const FIRST_COOKIE = 3;
const NAMES = ['a', 'b', 'c', 'd', 'e'];
const READ_MAX = 20;

/** Reads a listing one name at a time, changing it after each. */
function readAndChange(change: (listing: Listing, name: string) => void): string[] {
  const listing = new Listing(FIRST_COOKIE, NAMES.map(byteNameOf));
  const seen: string[] = [];
  let at = 0;
  while (seen.length < READ_MAX) {
    const found: string[] = [];
    listing.visit(at, (name, cookie) => {
      at = cookie;
      found.push(name);
      return false;
    });
    const [name] = found;
    if (name === undefined) break;
    seen.push(name);
    change(listing, name);
  }
  return seen;
}

function rename(listing: Listing, from: string, to: string): void {
  listing.rename(byteNameOf(from), byteNameOf(to));
}

const CHANGES: [string, (listing: Listing, name: string) => void, string[]][] = [
  [
    'renamed away and back',
    (listing, name) => {
      rename(listing, name, 'temporary');
      rename(listing, 'temporary', name);
    },
    NAMES,
  ],
  ['renamed', (listing, name) => rename(listing, name, `${name}.old`), NAMES],
  [
    'removed and made again',
    (listing, name) => {
      listing.remove(byteNameOf(name));
      listing.add(byteNameOf(name));
    },
    NAMES,
  ],
  ['renamed ahead', (listing) => rename(listing, 'd', 'x'), ['a', 'b', 'c', 'x', 'e']],
  ['renamed behind', (listing, name) => name === 'c' && rename(listing, 'a', 'x'), NAMES],
  ['added', (listing) => listing.add(byteNameOf('x')), [...NAMES, 'x']],
];

for (const [title, change, want] of CHANGES) {
  test(`Listing shows once what is ${title} while it is read`, () => {
    assert.deepEqual(readAndChange(change), want);
  });
}

test('Listing keeps its order when it forgets what was removed', () => {
  const names = Array.from({ length: 200 }, (_, i) => byteNameOf(`n${String(i).padStart(3, '0')}`));
  const listing = new Listing(FIRST_COOKIE, names);
  listing.rename(byteNameOf('n001'), byteNameOf('x'));
  for (let i = 2; i < 150; i++) listing.remove(byteNameOf(`n${String(i).padStart(3, '0')}`));
  const seen: string[] = [];
  listing.visit(0, (name) => seen.push(name) > 0);
  assert.deepEqual(seen, ['n000', 'x', ...names.slice(150)]);
});
