import assert from 'node:assert/strict';
import test from 'node:test';

import { byteName, escapeName } from './byte-name.js';

const CASES: readonly [string, string, string][] = [
  ['plain text', 'a b.txt', 'a b.txt'],
  ['UTF-8', 'grün', 'grün'],
  ['a line feed', 'a\nb', 'a\\x0ab'],
  ['an escape sequence', '\x1b[2J', '\\x1b[2J'],
  ['a change of the writing direction', 'a\u202eb', 'a\\xe2\\x80\\xaeb'],
  ['a backslash', 'a\\x0a', 'a\\\\x0a'],
  ['U+FEFF', '\ufeffa', '\\xef\\xbb\\xbfa'],
];

for (const [name, text, want] of CASES) {
  test(`escapeName() of ${name}`, () => {
    assert.equal(escapeName(byteName(Buffer.from(text))), want);
  });
}

test('escapeName() of bytes that are no UTF-8', () => {
  assert.equal(escapeName(byteName(Buffer.from([0x61, 0xff, 0xc3, 0xbc]))), 'a\\xff\\xc3\\xbc');
});
