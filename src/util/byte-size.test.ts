import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseByteSize } from './byte-size.js';

const CASES: readonly (readonly [text: string, want: number | undefined])[] = [
  ['0', 0],
  ['512', 512],
  ['12b', 12],
  ['64k', 65536],
  ['64K', 65536],
  ['128m', 134217728],
  ['1.5g', 1610612736],
  ['2GiB', 2147483648],
  ['2 GB', 2147483648],
  ['1tb', 1099511627776],
  ['', undefined],
  ['m', undefined],
  ['-1', undefined],
  ['1x', undefined],
  ['1e9', undefined],
  ['9999999p', undefined],
];

for (const [text, want] of CASES) {
  test(`parseByteSize() of ${JSON.stringify(text)}`, () => {
    assert.equal(parseByteSize(text), want);
  });
}
