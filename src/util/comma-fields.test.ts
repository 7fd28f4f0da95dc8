import assert from 'node:assert/strict';
import { test } from 'node:test';
import { splitCommaFields } from './comma-fields.js';

const CASES: readonly (readonly [text: string, want: readonly string[]])[] = [
  ['', ['']],
  ['a', ['a']],
  ['a,b', ['a', 'b']],
  ['a,,b,', ['a', '', 'b', '']],
  ['"a,b",c', ['a,b', 'c']],
  ['"say ""hi""",x', ['say "hi"', 'x']],
  ['a b, c', ['a b', ' c']],
  ['x,""', ['x', '']],
];

for (const [text, want] of CASES) {
  test(`splitCommaFields() of ${JSON.stringify(text)}`, () => {
    assert.deepEqual(splitCommaFields(text), want);
  });
}

for (const text of ['a"b', '"a', '"a"b', 'x,"']) {
  test(`splitCommaFields() refuses ${JSON.stringify(text)}`, () => {
    assert.throws(() => splitCommaFields(text), { code: 'TSB_PARSE' });
  });
}
