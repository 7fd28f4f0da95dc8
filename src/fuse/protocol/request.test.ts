import assert from 'node:assert/strict';
import test from 'node:test';
import { hex } from '../../testing/hex.js';
import { Cursor } from './cursor.js';
import {
  decodeCopyFileRange,
  decodeCreate,
  decodeFallocate,
  decodeIoctl,
  decodeInit,
  decodeLink,
  decodeMkdir,
  decodeMknod,
  decodeRead,
  decodeRename,
  decodeRename2,
  decodeSetattr,
  decodeSetxattr,
  decodeSymlink,
  decodeWrite,
} from './request.js';

/** Telling values: no two fields alike, so that a wrong offset cannot pass. */
const CASES: [string, string, (cursor: Cursor) => unknown, unknown][] = [
  [
    'decodeInit',
    `07 00 00 00  2d 00 00 00  00 00 02 00  fb ff ff 73   # major minor max_readahead flags
     fd 05 00 00                                          # flags2
     ${'00 '.repeat(44)}                                  # unused`,
    decodeInit,
    { major: 7, minor: 45, maxReadahead: 131072, flags: 0x73fffffb, flags2: 0x5fd },
  ],
  [
    'decodeIoctl',
    `11 22 00 00 00 00 00 00  10 00 00 00  20 58 1f 40    # fh flags cmd
     ff ff ff ff ff ff ff ff  03 00 00 00  1c 00 00 00    # arg in_size out_size
     aa bb cc                                             # the argument`,
    (cursor) => decodeIoctl(cursor, 5),
    {
      nodeid: 5,
      fh: 0x2211,
      flags: 0x10,
      command: 0x401f5820,
      argument: Buffer.from([0xaa, 0xbb, 0xcc]),
      outSize: 28,
    },
  ],
  [
    'decodeSetattr with every field',
    `7f 0c 00 00  00 00 00 00                             # valid: all but NOW, and padding
     11 00 00 00 00 00 00 00  22 33 44 00 00 00 00 00     # fh size
     33 00 00 00 00 00 00 00                              # lock_owner
     ff ff ff ff ff ff ff ff                              # atime -1
     00 00 00 80 01 00 00 00                              # mtime after 2038
     05 00 00 00 00 00 00 00                              # ctime
     06 00 00 00  07 00 00 00  ff c9 9a 3b                # nanoseconds
     ed 41 00 00  00 00 00 00  e8 03 00 00  e9 03 00 00   # mode unused4 uid gid
     00 00 00 00                                          # unused5`,
    decodeSetattr,
    {
      mode: 0o40755,
      uid: 1000,
      gid: 1001,
      size: 0x443322,
      atime: { sec: -1, nsec: 6 },
      mtime: { sec: 0x180000000, nsec: 7 },
      ctime: { sec: 5, nsec: 999999999 },
      killSuidgid: true,
    },
  ],
  [
    'decodeSetattr with times of now, and garbage where nothing is valid',
    `b0 01 00 00  00 00 00 00                             # ATIME MTIME ATIME_NOW MTIME_NOW
     11 00 00 00 00 00 00 00  ff ff ff ff ff ff ff ff     # fh size
     ${'00 '.repeat(32)} ${'00 '.repeat(12)}
     ed 41 00 00  00 00 00 00  e8 03 00 00  e9 03 00 00  00 00 00 00`,
    decodeSetattr,
    { atime: 'now', mtime: 'now', killSuidgid: false },
  ],
  [
    'decodeMknod',
    `b0 21 00 00  34 12 00 00  12 00 00 00  00 00 00 00  6e 75 6c 6c 00  # mode rdev umask`,
    (cursor) => decodeMknod(cursor, 5),
    { parent: 5, name: 'null', mode: 0x21b0, rdev: 0x1234, umask: 0o22 },
  ],
  [
    'decodeMkdir, adding the type',
    'ed 01 00 00  12 00 00 00  ff 00                      # mode umask, a name that is no UTF-8',
    (cursor) => decodeMkdir(cursor, 5),
    { parent: 5, name: '\xff', mode: 0o40755, rdev: 0, umask: 0o22 },
  ],
  [
    'decodeCreate',
    '41 80 00 00  a4 81 00 00  12 00 00 00  00 00 00 00  61 00  # flags mode umask open_flags',
    (cursor) => decodeCreate(cursor, 5),
    { make: { parent: 5, name: 'a', mode: 0o100644, rdev: 0, umask: 0o22 }, flags: 0x8041 },
  ],
  ['decodeSymlink', '61 00  2f 62 00', decodeSymlink, { name: 'a', target: Buffer.from('/b') }],
  [
    'decodeRename',
    '07 00 00 00 00 00 00 00  61 00  62 00                # newdir',
    (cursor) => decodeRename(cursor, 5),
    { parent: 5, name: 'a', newParent: 7, newName: 'b', flags: 0 },
  ],
  [
    'decodeRename2',
    '07 00 00 00 00 00 00 00  02 00 00 00  00 00 00 00  61 00  62 00  # newdir flags',
    (cursor) => decodeRename2(cursor, 5),
    { parent: 5, name: 'a', newParent: 7, newName: 'b', flags: 2 },
  ],
  ['decodeLink', '09 00 00 00 00 00 00 00  61 00', decodeLink, { nodeid: 9, name: 'a' }],
  [
    'decodeRead',
    `01 00 00 00 00 00 00 00  00 00 00 00 02 00 00 00     # fh offset
     00 00 10 00  05 00 00 00  06 00 00 00 00 00 00 00    # size read_flags lock_owner
     07 00 00 00  00 00 00 00                             # flags`,
    decodeRead,
    { fh: 1, offset: 0x200000000, size: 1 << 20 },
  ],
  [
    'decodeWrite',
    `01 00 00 00 00 00 00 00  00 00 00 00 02 00 00 00     # fh offset
     03 00 00 00  05 00 00 00  06 00 00 00 00 00 00 00    # size write_flags lock_owner
     07 00 00 00  00 00 00 00  61 62 63                   # flags, data`,
    (cursor) => decodeWrite(cursor, 5),
    { nodeid: 5, fh: 1, offset: 0x200000000, data: Buffer.from('abc'), killSuidgid: true },
  ],
  [
    'decodeSetxattr with SETXATTR_EXT',
    '02 00 00 00  01 00 00 00  01 00 00 00  00 00 00 00  75 2e 61 00  ff 00',
    (cursor) => decodeSetxattr(cursor, 5, true),
    { nodeid: 5, name: 'u.a', value: hex('ff 00'), flags: 1, killSgid: true },
  ],
  [
    'decodeSetxattr without SETXATTR_EXT',
    '02 00 00 00  01 00 00 00  75 2e 61 00  ff 00',
    (cursor) => decodeSetxattr(cursor, 5, false),
    { nodeid: 5, name: 'u.a', value: hex('ff 00'), flags: 1, killSgid: false },
  ],
  [
    'decodeFallocate',
    `01 00 00 00 00 00 00 00  02 00 00 00 00 00 00 00  03 00 00 00 00 00 00 00
     01 00 00 00  00 00 00 00                             # mode, padding`,
    (cursor) => decodeFallocate(cursor, 5),
    { nodeid: 5, fh: 1, offset: 2, length: 3, mode: 1 },
  ],
  [
    'decodeCopyFileRange',
    `01 00 00 00 00 00 00 00  02 00 00 00 00 00 00 00     # fh_in off_in
     03 00 00 00 00 00 00 00  04 00 00 00 00 00 00 00     # nodeid_out fh_out
     05 00 00 00 00 00 00 00  06 00 00 00 00 00 00 00     # off_out len`,
    (cursor) => decodeCopyFileRange(cursor, 9),
    { nodeidIn: 9, fhIn: 1, offsetIn: 2, nodeidOut: 3, fhOut: 4, offsetOut: 5, length: 6 },
  ],
];

for (const [name, text, decode, want] of CASES) {
  test(name, () => {
    const bytes = hex(text);
    const cursor = new Cursor(bytes);
    cursor.reset(0, bytes.length);
    assert.deepEqual(decode(cursor), want);
  });

  if (name === 'decodeInit') continue;
  test(`${name}: every truncation is EIO`, () => {
    const bytes = hex(text);
    const cursor = new Cursor(bytes);
    for (let length = 0; length < bytes.length; length++) {
      cursor.reset(0, length);
      assert.throws(() => decode(cursor), { code: 'EIO' }, `length ${length}`);
    }
  });
}

test('sizes and offsets that no file can have are EFBIG', () => {
  const setattr = Buffer.alloc(88);
  setattr.writeUInt32LE(8, 0);
  setattr.writeBigUInt64LE(2n ** 60n, 16);
  const write = Buffer.alloc(40);
  write.writeBigInt64LE(-1n, 8);
  const copy = Buffer.alloc(56);
  copy.writeBigUInt64LE(2n ** 63n - 65_537n, 32);
  for (const [bytes, decode] of [
    [setattr, decodeSetattr],
    [write, (cursor: Cursor) => decodeWrite(cursor, 5)],
    [copy, (cursor: Cursor) => decodeCopyFileRange(cursor, 5)],
  ] as const) {
    const cursor = new Cursor(bytes);
    cursor.reset(0, bytes.length);
    assert.throws(() => decode(cursor), { code: 'EFBIG' });
  }
});

test('decodeInit accepts what older kernels send', () => {
  const cursor = new Cursor(hex('07 00 00 00  1f 00 00 00  00 00 02 00  01 00 00 00'));
  cursor.reset(0, 16);
  const want = { major: 7, minor: 31, maxReadahead: 131072, flags: 1, flags2: 0 };
  assert.deepEqual(decodeInit(cursor), want);
  cursor.reset(0, 8);
  assert.deepEqual(decodeInit(cursor), { ...want, maxReadahead: 0, flags: 0 });
});
