import assert from 'node:assert/strict';
import test from 'node:test';

import { Node } from '../overlay/node.js';
import { byteNameOf } from '../util/byte-name.js';
import { Owners } from './owners.js';

const XATTR = 'user.containers.override_stat';
const OWNERS = new Owners({
  uids: [],
  gids: [],
  squashUid: undefined,
  squashGid: undefined,
  statXattr: XATTR,
});

for (const [text, want] of [
  ['5:6:4711', [5, 6, 0o104711]],
  ['4294967294:0:0', [4294967294, 0, 0o100000]],
  ['4294967295:0:0', [1, 2, 0o100644]],
  ['99999999999999999999:0:0', [1, 2, 0o100644]],
  ['0:4294967296:7777', [1, 2, 0o100644]],
  ['-1:0:0', [1, 2, 0o100644]],
  ['', [1, 2, 0o100644]],
] as const) {
  test(`Owners takes an owner from "${text}", if it is one`, () => {
    const node = new Node(7, 0o100644);
    node.uid = 1;
    node.gid = 2;
    node.xattrs = new Map([[byteNameOf(XATTR), Buffer.from(text)]]);
    OWNERS.load(node);
    assert.deepEqual([node.uid, node.gid, node.mode], want);
    assert.equal(node.xattrs, undefined);
  });
}
