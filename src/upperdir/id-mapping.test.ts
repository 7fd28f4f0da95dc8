import assert from 'node:assert/strict';
import test from 'node:test';

import { OVERFLOW_ID, parseIdMapping, showId, storeId } from './id-mapping.js';

const RANGES = parseIdMapping('uidmapping', '0:1000:1:1:100000:65535');

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

const WANT = /"gidmapping=.*": want DISK:SHOWN:COUNT/;
for (const [text, message] of [
  ['', WANT],
  ['1:2', WANT],
  ['1:2:x', WANT],
  ['-1:2:3', WANT],
  ['1:2:3:4', WANT],
  ['1:2:0', /found a COUNT of 0/],
  ['0:0:4294967296', /found ids above 4294967294/],
  ['0:4294967295:1', /found ids above 4294967294/],
] as const) {
  test(`parseIdMapping() refuses "${text}"`, () => {
    const hint = /^gidmapping=0:100000:65536 /;
    assert.throws(() => parseIdMapping('gidmapping', text), { code: 'TSB_USAGE', message, hint });
  });
}
