import assert from 'node:assert/strict';
import test from 'node:test';
import { suggest } from './suggest.js';

const COMMANDS = ['build', 'push', 'pull', 'prune', 'run', 'images'];
const CASES: [string, string | undefined][] = [
  ['bild', 'build'],
  ['BUILD', 'build'],
  ['buidl', 'build'],
  ['puhs', 'push'],
  ['rn', 'run'],
  ['rnu', 'run'],
  ['urn', 'run'],
  ['imag', 'images'],
  ['r', undefined],
  ['frobnicate', undefined],
  ['', undefined],
];

for (const [word, want] of CASES) {
  test(`suggest() finds ${String(want)} for '${word}'`, () => {
    assert.equal(suggest(word, COMMANDS), want);
  });
}
