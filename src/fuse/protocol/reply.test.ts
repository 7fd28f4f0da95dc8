import assert from 'node:assert/strict';
import test from 'node:test';
import { hex } from '../../testing/hex.js';
import type { ByteName } from '../../util/byte-name.js';
import { FsError } from '../../sys/errno.js';
import { ReplyDirSink } from './dir-sink.js';
import type { Attr } from '../filesystem.js';
import {
  Reply,
  encodeAttr,
  encodeEntry,
  encodeInit,
  encodeNegativeEntry,
  encodeOpened,
  encodeStatFs,
} from './reply.js';

const UNIQUE = hex('88 77 66 55 44 33 22 11');
const TIMEOUTS = { entrySec: 0x0e, attrSec: 0x0a };
const ATTR: Attr = {
  ino: 0x2334455667788,
  size: 0x1_0000_0001,
  blocks: 3,
  atimeSec: -1,
  atimeNsec: 1,
  mtimeSec: 0x1_8000_0000,
  mtimeNsec: 2,
  ctimeSec: 6,
  ctimeNsec: 999999999,
  mode: 0o100644,
  nlink: 4,
  uid: 1000,
  gid: 0xfffffffe,
  rdev: 0x1234,
  blksize: 4096,
};
const ATTR_HEX = `
  88 77 66 55 44 33 02 00  01 00 00 00 01 00 00 00   # ino size
  03 00 00 00 00 00 00 00  ff ff ff ff ff ff ff ff   # blocks atime
  00 00 00 80 01 00 00 00  06 00 00 00 00 00 00 00   # mtime ctime
  01 00 00 00  02 00 00 00  ff c9 9a 3b              # nanoseconds
  a4 81 00 00  04 00 00 00  e8 03 00 00  fe ff ff ff # mode nlink uid gid
  34 12 00 00  00 10 00 00  00 00 00 00              # rdev blksize flags`;

/** The bytes of a reply; the buffer is dirty, as after other requests. */
function encoded(fill: (reply: Reply) => void): Buffer {
  const reply = new Reply(4096);
  reply.buffer.fill(0xee);
  reply.begin(UNIQUE, 0);
  fill(reply);
  reply.succeed();
  return Buffer.from(reply.buffer.subarray(0, reply.length));
}

const CASES: [string, (reply: Reply) => void, string][] = [
  ['a header alone', () => undefined, '10 00 00 00  00 00 00 00  88 77 66 55 44 33 22 11'],
  [
    'an entry',
    (reply) => encodeEntry(reply, { nodeid: 0x42, attr: ATTR }, TIMEOUTS),
    `90 00 00 00  00 00 00 00  88 77 66 55 44 33 22 11
     42 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00   # nodeid generation
     0e 00 00 00 00 00 00 00  0a 00 00 00 00 00 00 00   # entry_valid attr_valid
     00 00 00 00  00 00 00 00 ${ATTR_HEX}`,
  ],
  [
    'a negative entry',
    (reply) => encodeNegativeEntry(reply, 0x0e),
    `90 00 00 00  00 00 00 00  88 77 66 55 44 33 22 11
     ${'00 '.repeat(16)} 0e ${'00 '.repeat(111)}`,
  ],
  [
    'attributes',
    (reply) => encodeAttr(reply, ATTR, TIMEOUTS),
    `78 00 00 00  00 00 00 00  88 77 66 55 44 33 22 11
     0a 00 00 00 00 00 00 00  00 00 00 00  00 00 00 00 ${ATTR_HEX}`,
  ],
  [
    'a handle',
    (reply) => encodeOpened(reply, { fh: 7, openFlags: 2 }),
    `20 00 00 00  00 00 00 00  88 77 66 55 44 33 22 11
     07 00 00 00 00 00 00 00  02 00 00 00  00 00 00 00`,
  ],
  [
    'kstatfs',
    (reply) =>
      encodeStatFs(reply, {
        blocks: 1,
        bfree: 2,
        bavail: 3,
        files: 4,
        ffree: 5,
        bsize: 4096,
        namelen: 255,
      }),
    `60 00 00 00  00 00 00 00  88 77 66 55 44 33 22 11
     01 00 00 00 00 00 00 00  02 00 00 00 00 00 00 00  03 00 00 00 00 00 00 00
     04 00 00 00 00 00 00 00  05 00 00 00 00 00 00 00
     00 10 00 00  ff 00 00 00  00 10 00 00 ${'00 '.repeat(28)}  # bsize namelen frsize`,
  ],
  [
    'init_out',
    (reply) =>
      encodeInit(reply, {
        major: 7,
        minor: 45,
        maxReadahead: 131072,
        flags: 0xf1223344,
        flags2: 0x50,
        maxBackground: 64,
        congestionThreshold: 48,
        maxWrite: 1 << 20,
        maxPages: 256,
      }),
    `50 00 00 00  00 00 00 00  88 77 66 55 44 33 22 11
     07 00 00 00  2d 00 00 00  00 00 02 00  44 33 22 f1 # major minor max_readahead flags
     40 00  30 00  00 00 10 00  01 00 00 00             # background, max_write time_gran
     00 01  00 00  50 00 00 00  ${'00 '.repeat(28)}     # max_pages map_alignment flags2`,
  ],
];
for (const [name, fill, want] of CASES) {
  test(`a reply with ${name}`, () => assert.deepEqual(encoded(fill), hex(want)));
}

test('fail() gives a negative error and drops the payload', () => {
  const reply = new Reply(64);
  reply.begin(UNIQUE, 0);
  reply.u64(1);
  reply.fail(2);
  assert.deepEqual(
    reply.buffer.subarray(0, reply.length),
    hex('10 00 00 00  fe ff ff ff  88 77 66 55 44 33 22 11'),
  );
});

test('ReplyDirSink pads names to 8 bytes', () => {
  const listing = encoded((reply) => {
    const sink = new ReplyDirSink(reply, 4096, { plus: false, timeouts: TIMEOUTS });
    assert.ok(sink.add({ name: 'a\xff' as ByteName, ino: 5, type: 8, nextOffset: 3 }));
    assert.ok(sink.add({ name: '12345678' as ByteName, ino: 6, type: 4, nextOffset: 9 }));
  });
  assert.deepEqual(
    listing,
    hex(`
      50 00 00 00  00 00 00 00  88 77 66 55 44 33 22 11
      05 00 00 00 00 00 00 00  03 00 00 00 00 00 00 00  02 00 00 00  08 00 00 00
      61 ff 00 00 00 00 00 00
      06 00 00 00 00 00 00 00  09 00 00 00 00 00 00 00  08 00 00 00  04 00 00 00
      31 32 33 34 35 36 37 38`),
  );
});

test('ReplyDirSink looks up only what fits, and nothing behind it', () => {
  const reply = new Reply(4096);
  reply.begin(UNIQUE, 0);
  // Room for two entries of 128 + 24 + 8 bytes, one byte short of three.
  const sink = new ReplyDirSink(reply, 160 * 3 - 1, { plus: true, timeouts: TIMEOUTS });
  let lookups = 0;
  const lookup = () => ({ nodeid: ++lookups, attr: ATTR });
  const added = ['.', 'a', 'b', 'c'].map((name) =>
    sink.add(
      { name: name as ByteName, ino: 1, type: 4, nextOffset: 1 },
      name === '.' ? undefined : lookup,
    ),
  );
  assert.deepEqual(added, [true, true, false, false]);
  assert.equal(lookups, 1);
  assert.equal(reply.length, 16 + 320);
  assert.deepEqual(reply.payload(128), Buffer.alloc(128), '"." has no node');
});

test('ReplyDirSink keeps earlier entries when a lookup fails', () => {
  const reply = new Reply(4096);
  reply.begin(UNIQUE, 0);
  const sink = new ReplyDirSink(reply, 4096, { plus: true, timeouts: TIMEOUTS });
  const entry = { name: 'a' as ByteName, ino: 1, type: 4, nextOffset: 1 };
  const lookup = () => {
    throw new FsError('EIO', 'lookup');
  };
  assert.throws(() => sink.add(entry, lookup), { code: 'EIO' });
  sink.add(entry, () => ({ nodeid: 1, attr: ATTR }));
  const { length } = reply;
  assert.equal(sink.add(entry, lookup), false);
  assert.equal(reply.length, length);
});
