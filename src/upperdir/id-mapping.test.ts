import assert from 'node:assert/strict';
import test from 'node:test';

import { OVERFLOW_ID, parseIdMapping, showId, storeId } from './id-mapping.js';

const RANGES = parseIdMapping('0:1000:1:1:100000:65535');

for (const [stored, shown] of [
  [0, 1000],
  [1, 100000],
  [65535, 165534],
] as const) {
  test(`showId() and storeId() map ${stored} and ${shown} to each other`, () => {
    assert.equal(showId(RANGES, stored), shown);
    assert.equal(storeId(RANGES, shown), stored);
  });
}

test('showId() shows an id without a mapping as the overflow id; storeId() has none', () => {
  assert.equal(showId(RANGES, 70000), OVERFLOW_ID);
  assert.equal(storeId(RANGES, 0), undefined);
});

test('showId() and storeId() leave ids alone where there is no mapping', () => {
  assert.equal(showId([], 7), 7);
  assert.equal(storeId([], 7), 7);
});

for (const text of ['', '1:2', '1:2:x', '-1:2:3', '1:2:3:4']) {
  test(`parseIdMapping() refuses "${text}"`, () => {
    assert.throws(() => parseIdMapping(text), { code: 'TSB_USAGE' });
  });
}
