import assert from 'node:assert/strict';
import test from 'node:test';
import { findUnmappedIds, parseIdMap } from './unmapped-ids.js';

const MAP = '         0       1001          1\n         1     100000      65535\n';

/** An index with inodes of these owners and groups. */
function indexOf(...owners: [uid: number, gid: number][]): {
  inodeCount: number;
  uid: (row: number) => number;
  gid: (row: number) => number;
} {
  return {
    inodeCount: owners.length,
    uid: (row) => owners[row]?.[0] ?? 0,
    gid: (row) => owners[row]?.[1] ?? 0,
  };
}

test('parseIdMap() takes the ids inside', () => {
  assert.deepEqual(parseIdMap(MAP), [
    { start: 0, count: 1 },
    { start: 1, count: 65535 },
  ]);
});

test('findUnmappedIds() names each id outside once, sorted', () => {
  const [uids, gids] = [parseIdMap(MAP), parseIdMap(MAP)];
  const inside = indexOf([0, 0], [1, 65535]);
  assert.deepEqual(findUnmappedIds([inside], { uids, gids }), []);
  const outside = indexOf([70000, 0], [0, 65536], [70000, 4294967294]);
  assert.deepEqual(findUnmappedIds([inside, outside], { uids, gids }), [65536, 70000, 4294967294]);
});
