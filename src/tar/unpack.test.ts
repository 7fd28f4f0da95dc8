import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import test from 'node:test';
import { gzipSync } from 'node:zlib';
import { WHITEOUT } from '../layer/types.js';
import { digestOf } from '../oci/digest.js';
import {
  archive,
  archiveEntry,
  bytesOf,
  chunksOf,
  type ArchiveEntry,
} from '../testing/tar-archive.js';
import { dir, find, impliedOf, MemoryWriter, unpack } from '../testing/unpack-memory.js';
import { requires } from '../testing/requires.js';
import { byteNameOf, type ByteName } from '../util/byte-name.js';
import type { TarLimits } from './limits.js';
import { unpackLayer } from './unpack.js';

const PLAIN = archive([
  { ...dir('./'), mode: 0o700, uid: 7 },
  dir('etc/'),
  { name: 'etc/passwd', data: 'root:x:0:0', mode: 0o640, uid: 1, gid: 2, mtime: 1234 },
  { name: 'etc/alias', typeflag: '1', linkname: 'etc/passwd' },
  { name: 'etc/link', typeflag: '2', linkname: '../../../../etc/shadow' },
  { name: 'dev/null', typeflag: '3', mode: 0o666, devmajor: 1, devminor: 3 },
  { name: 'run/fifo', typeflag: '6' },
]);

for (const chunkSize of [1, 511, 512, 513, 10_000]) {
  test(`unpackLayer() reads every kind of entry, in chunks of ${chunkSize}`, async () => {
    const { root, files } = await unpack(PLAIN, { expect: digestOf(PLAIN) }, chunkSize);
    assert.equal(root.mode, 0o040700);
    assert.equal(root.uid, 7);
    const passwd = find(root, 'etc/passwd');
    assert(typeof passwd === 'object' && passwd.kind === 'file');
    assert.deepEqual(
      [passwd.mode, passwd.uid, passwd.gid, passwd.mtimeSec, passwd.size],
      [0o100640, 1, 2, 1234, 10],
    );
    assert.equal(files('etc/passwd'), 'root:x:0:0');
    assert.equal(find(root, 'etc/alias'), passwd);
    const link = find(root, 'etc/link');
    assert(typeof link === 'object' && link.kind === 'symlink');
    assert.equal(link.target, '../../../../etc/shadow');
    const device = find(root, 'dev/null');
    assert(typeof device === 'object' && device.kind === 'special');
    assert.deepEqual([device.mode, device.rdevMajor, device.rdevMinor], [0o020666, 1, 3]);
    assert.deepEqual(impliedOf(root), ['dev', 'run']);
  });
}

test('unpackLayer() applies PAX records byte for byte', async () => {
  const capability = Buffer.from([1, 0, 0, 2, 0xff, 0xfe, 0, 0x0a, 0x3d, 0x80]);
  const name = Buffer.from([0x66, 0xff, 0x66]).toString('latin1') as ByteName;
  const bytes = archive([
    {
      name: 'short',
      data: 'x',
      pax: {
        path: Buffer.from(name, 'latin1'),
        mtime: '1700000000.000000001',
        uid: '3000000000',
        gid: '4000000',
        'SCHILY.xattr.security.capability': capability,
        'SCHILY.xattr.user.a%3Db': '',
      },
    },
  ]);
  const { root } = await unpack(bytes);
  const node = root.entries.get(name);
  assert(typeof node === 'object');
  assert.deepEqual([node.uid, node.gid], [3_000_000_000, 4_000_000]);
  assert.deepEqual([node.mtimeSec, node.mtimeNsec], [1_700_000_000, 1]);
  assert.deepEqual(node.xattrs?.get(byteNameOf('security.capability')), capability);
  assert.deepEqual(node.xattrs.get(byteNameOf('user.a=b')), Buffer.alloc(0));
});

test('unpackLayer() takes a whiteout of the longest name', async () => {
  const name = 'n'.repeat(255);
  const { root } = await unpack(archive([{ name: 'short', pax: { path: `.wh.${name}` } }]));
  assert.equal(root.entries.get(byteNameOf(name)), WHITEOUT);
});

test('unpackLayer() reads GNU long names and links, and skips global headers', async () => {
  const long = 'd/'.repeat(120) + 'file';
  const bytes = Buffer.concat([
    archiveEntry({ name: 'pax_global_header', typeflag: 'g', data: '14 path=wrong\n' }),
    archiveEntry({ name: '././@LongLink', typeflag: 'L', data: `${long}\0` }),
    archiveEntry({ name: 'cut', data: 'content' }),
    archiveEntry({ name: '././@LongLink', typeflag: 'K', data: `${long}\0` }),
    archiveEntry({ name: 'link', typeflag: '2', linkname: 'cut' }),
    Buffer.alloc(1024),
  ]);
  const { root, files } = await unpack(bytes);
  assert.equal(files(long), 'content');
  const link = find(root, 'link');
  assert(typeof link === 'object' && link.kind === 'symlink');
  assert.equal(link.target, long);
});

test('unpackLayer() keeps large contents apart from small ones', async () => {
  const big = 'b'.repeat(700_000);
  const { files } = await unpack(
    archive([
      { name: 'a', data: 'small' },
      { name: 'b', data: big },
    ]),
  );
  assert.equal(files('a'), 'small');
  assert.equal(files('b'), big);
});

test('whiteouts hide lower entries only', async () => {
  const { root } = await unpack(
    archive([
      { name: '.wh.gone' },
      dir('opaque'),
      { name: 'opaque/kept' },
      { name: 'opaque/.wh..wh..opq' },
      { name: '.wh.replaced' },
      dir('replaced'),
      { name: 'file' },
      { name: '.wh.file' },
      { name: '.wh..wh.aufs' },
      { name: '.wh..wh.plnk/1.2' },
    ]),
  );
  assert.equal(find(root, 'gone'), WHITEOUT);
  const opaque = find(root, 'opaque');
  assert(typeof opaque === 'object' && opaque.kind === 'dir');
  assert.equal(opaque.opaque, true);
  assert.deepEqual([...opaque.entries.keys()], ['kept']);
  const replaced = find(root, 'replaced');
  assert(typeof replaced === 'object' && replaced.kind === 'dir' && replaced.opaque);
  assert.equal(typeof find(root, 'file'), 'object');
  assert.deepEqual([...root.entries.keys()].sort(), ['file', 'gone', 'opaque', 'replaced']);
});

test('later entries replace earlier ones', async () => {
  const { root, files } = await unpack(
    archive([
      { name: 'x', data: 'one' },
      { name: './x', data: 'two' },
      dir('d'),
      { name: 'd/inside' },
      { name: 'd', data: 'now a file' },
      { name: '/e' },
      dir('e', 0o711),
      dir('f', 0o700),
      { name: 'f/kept' },
      dir('f/', 0o755),
    ]),
  );
  assert.equal(files('x'), 'two');
  assert.equal(files('d'), 'now a file');
  const e = find(root, 'e');
  assert(typeof e === 'object' && e.kind === 'dir' && e.opaque);
  const f = find(root, 'f');
  assert(typeof f === 'object' && f.kind === 'dir' && f.mode === 0o040755 && f.entries.size === 1);
});

const HOSTILE: readonly (readonly [sin: string, code: string, entries: readonly ArchiveEntry[]])[] =
  [
    ['climbs out', 'TSB_LAYER_INVALID', [{ name: '../x' }]],
    ['climbs out in the middle', 'TSB_LAYER_INVALID', [{ name: 'a/../../x' }]],
    ['climbs out by PAX', 'TSB_LAYER_INVALID', [{ name: 'x', pax: { path: '/../etc/x' } }]],
    [
      'goes round in symbolic links',
      'TSB_LAYER_INVALID',
      [
        { name: 'a', typeflag: '2', linkname: 'b' },
        { name: 'b', typeflag: '2', linkname: 'a' },
        { name: 'a/x' },
      ],
    ],
    [
      'goes through a symbolic link to a file',
      'TSB_LAYER_INVALID',
      [{ name: 'a' }, { name: 'b', typeflag: '2', linkname: 'a' }, { name: 'b/x' }],
    ],
    [
      'leads through a link that is too deep',
      'TSB_LIMIT',
      [
        { name: 'a', typeflag: '2', linkname: 'b', pax: { linkpath: 'd/'.repeat(1001) } },
        { name: 'a/x' },
      ],
    ],
    ['has a directory below a file', 'TSB_LAYER_INVALID', [{ name: 'a' }, { name: 'a/b' }]],
    [
      'links to what is outside',
      'TSB_LAYER_INVALID',
      [{ name: 'a', typeflag: '1', linkname: '../../etc/shadow' }],
    ],
    [
      'links through a symbolic link',
      'TSB_LAYER_INVALID',
      [
        { name: 'd', typeflag: '2', linkname: '/etc' },
        { name: 'a', typeflag: '1', linkname: 'd/shadow' },
      ],
    ],
    ['links to nothing', 'TSB_LAYER_INVALID', [{ name: 'a', typeflag: '1', linkname: 'b' }]],
    [
      'links to a directory',
      'TSB_LAYER_INVALID',
      [dir('d'), { name: 'a', typeflag: '1', linkname: 'd' }],
    ],
    [
      'links with contents',
      'TSB_LAYER_INVALID',
      [{ name: 'b' }, { name: 'a', typeflag: '1', linkname: 'b', data: 'x' }],
    ],
    ['has a symbolic link to nowhere', 'TSB_LAYER_INVALID', [{ name: 'a', typeflag: '2' }]],
    ['has NUL in a PAX path', 'TSB_LAYER_INVALID', [{ name: 'a', pax: { path: 'a\0b' } }]],
    ['has a file as its root', 'TSB_LAYER_INVALID', [{ name: './', typeflag: '2', linkname: '/' }]],
    ['whites out nothing', 'TSB_LAYER_INVALID', [{ name: 'd/.wh.' }]],
    ['whites out the parent', 'TSB_LAYER_INVALID', [{ name: 'd/.wh...' }]],
    ['goes through a whiteout', 'TSB_LAYER_INVALID', [{ name: '.wh.a/b' }]],
    ['has a negative owner', 'TSB_LAYER_INVALID', [{ name: 'a', pax: { uid: '-1' } }]],
    [
      'has an owner beyond 32 bits',
      'TSB_LAYER_INVALID',
      [{ name: 'a', pax: { uid: '4294967295' } }],
    ],
    [
      'has a device number beyond Linux',
      'TSB_LAYER_INVALID',
      [{ name: 'a', typeflag: '3', devmajor: 0o10000 }],
    ],
    [
      'says two sizes',
      'TSB_LAYER_INVALID',
      [{ name: 'a', data: 'xy', pax: { size: '99999999999999999' } }],
    ],
    ['is sparse (GNU)', 'TSB_UNSUPPORTED', [{ name: 'a', typeflag: 'S' }]],
    ['is sparse (PAX)', 'TSB_UNSUPPORTED', [{ name: 'a', pax: { 'GNU.sparse.major': '1' } }]],
    ['has an unknown type', 'TSB_UNSUPPORTED', [{ name: 'a', typeflag: 'Z' }]],
    ['has a name beyond NAME_MAX', 'TSB_LIMIT', [{ name: 'a', pax: { path: 'n'.repeat(256) } }]],
    ['is too deep', 'TSB_LIMIT', [{ name: 'a', pax: { path: 'd/'.repeat(1001) } }]],
    [
      'has a long link target',
      'TSB_LIMIT',
      [{ name: 'a', typeflag: '2', linkname: 'b', pax: { linkpath: 't'.repeat(4096) } }],
    ],
    [
      'has a large xattr',
      'TSB_LIMIT',
      [{ name: 'a', pax: { 'SCHILY.xattr.user.a': 'x'.repeat(65537) } }],
    ],
    [
      'has a large PAX header',
      'TSB_LIMIT',
      [{ name: 'a', pax: { comment: 'x'.repeat(1_100_000) } }],
    ],
    [
      'has a huge PAX header',
      'TSB_LIMIT',
      [{ name: 'a', pax: { comment: 'x'.repeat(5_000_000) } }],
    ],
  ];
for (const [sin, code, entries] of HOSTILE) {
  test(`unpackLayer() refuses an archive that ${sin}`, async () => {
    await assert.rejects(unpack(archive(entries)), { code });
  });
}

const DEEP = 'd/'.repeat(400);
const KEPT: readonly (readonly [string, Partial<TarLimits>, readonly ArchiveEntry[]])[] = [
  ['entriesMax', { entriesMax: 2 }, [{ name: 'a' }, { name: 'b' }, { name: 'c' }]],
  [
    'entriesMax with directories that a few entries imply',
    { entriesMax: 500 },
    [
      { name: 'a', pax: { path: `a/${DEEP}f` } },
      { name: 'b', pax: { path: `b/${DEEP}f` } },
    ],
  ],
  ['unpackedBytesMax', { unpackedBytesMax: 50_000 }, [{ name: 'a', data: 'x'.repeat(100_000) }]],
  [
    'metadataBytesMax',
    { metadataBytesMax: 1000 },
    [
      { name: 'a', pax: { 'SCHILY.xattr.user.a': 'x'.repeat(600) } },
      { name: 'b', pax: { 'SCHILY.xattr.user.a': 'x'.repeat(600) } },
    ],
  ],
];
for (const [limit, limits, entries] of KEPT) {
  test(`unpackLayer() keeps the limit ${limit}`, async () => {
    await assert.rejects(unpack(archive(entries), { limits }), { code: 'TSB_LIMIT' });
  });
}

test('a gzip bomb stops at the limit', async () => {
  const bomb = gzipSync(archive([{ name: 'a', data: Buffer.alloc(64 * 1024 * 1024) }]));
  const limits = { unpackedBytesMax: 1_000_000 };
  await assert.rejects(unpack(bomb, { limits }), { code: 'TSB_LIMIT' });
});

test('unpackLayer() refuses every truncation inside an entry', async () => {
  const bytes = archive([{ name: 'a', data: 'x'.repeat(600) }]);
  for (const size of [1, 100, 511, 513, 900, 1111, 1535]) {
    const cut = unpack(bytes.subarray(0, size));
    await assert.rejects(cut, { code: 'TSB_LAYER_INVALID' }, `${size} bytes`);
  }
});

test('unpackLayer() refuses a damaged and a truncated gzip stream', async () => {
  const bytes = gzipSync(PLAIN);
  await assert.rejects(unpack(bytes.subarray(0, bytes.length - 9)), { code: 'TSB_LAYER_INVALID' });
  const damaged = Buffer.from(bytes);
  damaged.fill(0xaa, 40, 60);
  await assert.rejects(unpack(damaged), { code: 'TSB_LAYER_INVALID' });
});

test('unpackLayer() reads gzip of several members, and hashes what follows the end', async () => {
  const bytes = Buffer.concat([PLAIN, Buffer.alloc(20_000_000)]);
  const zipped = Buffer.concat([gzipSync(bytes.subarray(0, 1000)), gzipSync(bytes.subarray(1000))]);
  const { files } = await unpack(zipped, { expect: digestOf(bytes) });
  assert.equal(files('etc/passwd'), 'root:x:0:0');
});

test('entries behind the end of the archive do not count', async () => {
  const bytes = Buffer.concat([archive([{ name: 'a' }]), archive([{ name: 'hidden' }])]);
  const { root } = await unpack(bytes, { expect: digestOf(bytes) });
  assert.deepEqual([...root.entries.keys()], ['a']);
});

test('unpackLayer() refuses another diffId and another compression', async () => {
  await assert.rejects(unpack(PLAIN, { expect: digestOf('other') }), {
    code: 'TSB_DIGEST_MISMATCH',
  });
  const xz = Buffer.from('fd377a585a000000', 'hex');
  await assert.rejects(unpack(xz), { code: 'TSB_UNSUPPORTED' });
});

test('unpackLayer() passes on what the stream throws, and stops at its signal', async () => {
  async function* broken(): AsyncGenerator<Buffer> {
    yield* chunksOf(PLAIN.subarray(0, 1000));
    throw new Error('connection lost');
  }
  await assert.rejects(unpackLayer(broken(), { writer: new MemoryWriter() }), /connection lost/);
  const signal = AbortSignal.abort();
  await assert.rejects(unpack(PLAIN, { signal }), { name: 'AbortError' });
});

test('an empty stream is an empty layer', async () => {
  const { root } = await unpack(Buffer.alloc(0));
  assert.equal(root.entries.size, 0);
  assert.equal((await bytesOf(chunksOf(Buffer.alloc(0)))).length, 0);
});

test('unpackLayer() reads zstd through its program', async (t) => {
  if (!requires(t, 'program:zstd')) return;
  const zstd = execFileSync('zstd', ['-c', '-q'], { input: PLAIN });
  const { files } = await unpack(zstd, { expect: digestOf(PLAIN) });
  assert.equal(files('etc/passwd'), 'root:x:0:0');
  const cut = zstd.subarray(0, zstd.length - 9);
  await assert.rejects(unpack(cut), { code: 'TSB_LAYER_INVALID' });
  const path = process.env['PATH'];
  process.env['PATH'] = '/nonexistent';
  try {
    await assert.rejects(unpack(zstd), { code: 'TSB_MISSING_TOOL' });
  } finally {
    process.env['PATH'] = path;
  }
});
