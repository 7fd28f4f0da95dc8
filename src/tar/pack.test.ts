import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test, { after } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { LayerWriter } from '../layer/layer-writer.js';
import {
  WHITEOUT,
  type ContentRef,
  type InodeMeta,
  type LayerDir,
  type LayerId,
  type LayerNode,
} from '../layer/types.js';
import { digestOf } from '../oci/digest.js';
import { requires } from '../testing/requires.js';
import { bytesOf, chunksOf } from '../testing/tar-archive.js';
import { byteNameOf, type ByteName } from '../util/byte-name.js';
import { gzipStream, GZIP_MEMBER_BYTES } from './gzip.js';
import { packDirectory } from './pack-directory.js';
import { packLayer, type PackOptions } from './pack.js';
import { unpackLayer } from './unpack.js';

const temp = mkdtempSync(path.join(tmpdir(), 'tsbuild-pack-'));
after(() => rmSync(temp, { recursive: true }));

const META: InodeMeta = {
  mode: 0o100644,
  uid: 0,
  gid: 0,
  mtimeSec: 1_700_000_000,
  mtimeNsec: 0,
  rdevMajor: 0,
  rdevMinor: 0,
  xattrs: undefined,
};

function file(text: string, meta: Partial<InodeMeta> = {}): LayerNode {
  return { kind: 'file', ...META, ...meta, size: text.length, content: contentRef(text) };
}

const CONTENTS: string[] = [];
function contentRef(text: string): ContentRef | undefined {
  if (text === '') return undefined;
  return { kind: 'pack', layer: undefined, offset: CONTENTS.push(text) - 1 };
}

function dir(
  entries: Readonly<Record<string, LayerNode | typeof WHITEOUT>>,
  meta: Partial<LayerDir> = {},
): LayerDir {
  const named = Object.entries(entries).map(([name, node]) => [byteNameOf(name), node] as const);
  return { kind: 'dir', ...META, mode: 0o040755, opaque: false, ...meta, entries: new Map(named) };
}

function pack(root: LayerDir, options: Partial<PackOptions> = {}): Promise<Buffer> {
  const contentOf: PackOptions['contentOf'] = ({ content }) =>
    chunksOf(Buffer.from(content?.kind === 'pack' ? (CONTENTS[content.offset] ?? '') : ''), 1000);
  return bytesOf(packLayer(root, { contentOf, ...options }));
}

const linked = file('linked', { mode: 0o104755 });
const LONG = 'n'.repeat(120);
const ROOT = dir({
  'b.txt': file('b'),
  'a.txt': linked,
  zlink: linked,
  gone: WHITEOUT,
  empty: file(''),
  sub: dir(
    {
      'x y': file('x'.repeat(3_000_000), { uid: 3_000_000, gid: 100_000, mtimeNsec: 5 }),
      [LONG]: { kind: 'symlink', ...META, mode: 0o120777, target: byteNameOf('t'.repeat(150)) },
      fifo: { kind: 'special', ...META, mode: 0o010600 },
      ü: file('umlaut', { mtimeSec: -5 }),
    },
    { opaque: true },
  ),
});

test('packLayer() lists directories first, whiteouts before entries, names by bytes', async (t) => {
  if (!requires(t, 'program:tar')) return;
  const listing = execFileSync('tar', ['tf', '-', '--quoting-style=literal'], {
    input: await pack(ROOT),
  });
  assert.deepEqual(listing.toString().trim().split('\n'), [
    ...['./', '.wh.gone', 'a.txt', 'b.txt', 'empty', 'sub/', 'sub/.wh..wh..opq', 'sub/fifo'],
    ...[`sub/${LONG}`, 'sub/x y', 'sub/ü', 'zlink'],
  ]);
});

test('packLayer() leaves implied directories out', async (t) => {
  if (!requires(t, 'program:tar')) return;
  const implied = { implied: true } as const;
  const inner = dir({ file: file('x'), said: dir({}) }, { ...implied, opaque: true });
  const bytes = await pack(dir({ a: dir({ b: inner, gone: WHITEOUT }, implied) }, implied));
  const listing = execFileSync('tar', ['tf', '-'], { input: bytes }).toString();
  const names = ['a/.wh.gone', 'a/b/.wh..wh..opq', 'a/b/file', 'a/b/said/'];
  assert.deepEqual(listing.trim().split('\n'), names);
});

test('GNU tar reads what packLayer() writes, as it was meant', async (t) => {
  if (!requires(t, 'program:tar')) return;
  const args = ['tvf', '-', '--numeric-owner', '--full-time', '--utc', '--quoting-style=literal'];
  const listing = execFileSync('tar', args, { input: await pack(ROOT) }).toString();
  assert.match(listing, /^-rwsr-xr-x 0\/0 +6 2023-11-14 22:13:20 a\.txt$/m);
  assert.match(listing, /^hrwsr-xr-x 0\/0 +0 2023-11-14 22:13:20 +zlink link to a\.txt$/m);
  assert.match(listing, /3000000\/100000 +3000000 2023-11-14 22:13:20\.000000005 sub\/x y$/m);
  assert.match(listing, new RegExp(`sub/${LONG} -> t{150}$`, 'm'));
  assert.match(listing, /^prw------- /m);
  assert.match(listing, /1969-12-31 23:59:55 +sub\/ü$/m);
});

test('packLayer() and unpackLayer() are inverse', async () => {
  const xattrs = new Map([
    [byteNameOf('security.capability'), Buffer.from([1, 0, 0, 2, 0, 0xff, 0x0a])],
    [byteNameOf('user.odd=name%'), Buffer.from('')],
  ]);
  const latin = Buffer.from([0xe9, 0xff]).toString('latin1') as ByteName;
  const implied = dir({ inside: dir({}) }, { implied: true, mtimeSec: 0 });
  const root = dir({ cap: file('bin', { xattrs }), ...{ d: ROOT, implied } }, { xattrs });
  (root.entries as Map<ByteName, LayerNode>).set(latin, file('named in bytes'));
  const first = await pack(root);
  const stored: Buffer[] = [];
  const store = (bytes: Buffer): ContentRef & { kind: 'pack' } => ({
    kind: 'pack',
    layer: undefined,
    offset: stored.push(bytes) - 1,
  });
  const writer = {
    appendPack: store,
    writeContent: async (_: number, chunks: AsyncIterable<Buffer> | Iterable<Buffer>) =>
      store(await bytesOf(chunks as AsyncIterable<Buffer>)),
  };
  const unpacked = await unpackLayer(chunksOf(first), { writer, expect: digestOf(first) });
  assert.deepEqual(unpacked.root.xattrs, xattrs);
  const second = await pack(unpacked.root, {
    contentOf: ({ content }) =>
      chunksOf(
        content?.kind === 'pack' ? (stored[content.offset] ?? Buffer.alloc(0)) : Buffer.alloc(0),
      ),
  });
  assert.equal(digestOf(second), digestOf(first));
});

test('the bytes do not depend on the order in which a directory was filled', async () => {
  const one = dir({ a: file('1'), b: dir({ c: file('2'), d: file('3') }) });
  const other = dir({ b: dir({ d: file('3'), c: file('2') }), a: file('1') });
  assert.equal(digestOf(await pack(one)), digestOf(await pack(other)));
});

test('packLayer() clamps later times', async (t) => {
  if (!requires(t, 'program:tar')) return;
  const root = dir({ new: file('x', { mtimeNsec: 7 }), old: file('y', { mtimeSec: 5 }) });
  const input = await pack(root, { clampMtime: 1_600_000_000 });
  const listing = execFileSync('tar', ['tvf', '-', '--utc', '--full-time'], { input }).toString();
  assert.match(listing, /2020-09-13 12:26:40 new$/m);
  assert.match(listing, /1970-01-01 00:00:05 old$/m);
});

test('packLayer() leaves sockets out and says so', async () => {
  const skipped: string[] = [];
  const root = dir({ s: { kind: 'special', ...META, mode: 0o140755 } });
  const bytes = await pack(root, { onSkipped: (name) => skipped.push(name) });
  assert.deepEqual(skipped, ['s']);
  assert.equal(bytes.length, 512 + 1024);
});

test('packLayer() hides what a socket stands in place of', async (t) => {
  if (!requires(t, 'program:tar')) return;
  const socket = { kind: 'special', ...META, mode: 0o140755 } as const;
  const replacing: LayerNode = { ...socket, replaces: true };
  const fifo: LayerNode = { ...replacing, mode: 0o010600 };
  const root = dir({ a: replacing, b: socket, c: dir({ d: replacing }), e: fifo });
  const listing = execFileSync('tar', ['tf', '-'], { input: await pack(root) }).toString();
  assert.equal(listing, './\n.wh.a\nc/\nc/.wh.d\ne\n');
});

test('packLayer() fails if a file has fewer bytes than its index says', async () => {
  const root = dir({ short: { kind: 'file', ...META, size: 9, content: contentRef('four') } });
  await assert.rejects(pack(root), { code: 'TSB_STORE' });
});

test('python reads the same names, owners and xattrs', async (t) => {
  if (!requires(t, 'program:python3')) return;
  const xattrs = new Map([[byteNameOf('user.x'), Buffer.from('value')]]);
  const archive = path.join(temp, 'python.tar');
  writeFileSync(archive, await pack(dir({ [LONG]: file('hello', { xattrs, uid: 5_000_000 }) })));
  const script = `
import sys, tarfile
for m in tarfile.open(sys.argv[1]):
    print(m.name, m.uid, m.size, m.pax_headers.get('SCHILY.xattr.user.x'))`;
  const output = execFileSync('python3', ['-c', script, archive]).toString();
  assert.equal(output, `. 0 0 None\n${LONG} 5000000 5 value\n`);
});

test('unpackLayer() reads what GNU tar writes, in each of its formats', async (t) => {
  if (!requires(t, 'program:tar')) return;
  const source = path.join(temp, 'source');
  mkdirSync(path.join(source, 'd'.repeat(90), 'e'.repeat(90)), { recursive: true });
  const name = `${'d'.repeat(90)}/${'e'.repeat(90)}/file`;
  writeFileSync(path.join(source, name), 'text');
  for (const format of ['v7', 'oldgnu', 'gnu', 'ustar', 'posix']) {
    if (format === 'v7') continue; // it cannot hold the name
    const input = execFileSync('tar', ['c', `--format=${format}`, '-C', source, '.']);
    const contents: Buffer[] = [];
    const appendPack = (bytes: Buffer): ContentRef & { kind: 'pack' } => ({
      kind: 'pack',
      layer: undefined,
      offset: contents.push(bytes) - 1,
    });
    const writer = { appendPack, writeContent: () => Promise.resolve(undefined) };
    const { root } = await unpackLayer(chunksOf(input), { writer });
    const outer = root.entries.get(byteNameOf('d'.repeat(90)));
    assert(typeof outer === 'object' && outer.kind === 'dir', format);
    assert.equal(contents.toString(), 'text', format);
  }
});

test('packDirectory() hashes and compresses in a thread', async () => {
  const id = 'ab'.repeat(16) as LayerId;
  using writer = LayerWriter.create(path.join(temp, id));
  const entries: Record<string, LayerNode> = {};
  for (const [name, text] of Object.entries({ small: 'hello', big: 'x'.repeat(5_000_000) })) {
    const content = await writer.writeContent(text.length, chunksOf(Buffer.from(text)));
    entries[name] = { kind: 'file', ...META, size: text.length, content };
  }
  writer.finish(dir(entries), { sync: false });
  const output = path.join(temp, 'packed.gz');
  const job = { layersRoot: temp, layer: id };
  const hashed = await packDirectory(job);
  const packed = await packDirectory({ ...job, gzip: { file: output, level: 6 } });
  const compressed = readFileSync(output);
  const plain = gunzipSync(compressed);
  assert.deepEqual(hashed, { diffId: digestOf(plain), size: plain.length, compressed: undefined });
  assert.deepEqual(packed, {
    ...hashed,
    compressed: { digest: digestOf(compressed), size: compressed.length },
  });
  await assert.rejects(packDirectory({ layersRoot: temp, layer: 'cd'.repeat(16) as LayerId }), {
    code: 'TSB_STORE',
  });
  await assert.rejects(packDirectory(job, AbortSignal.abort()), { name: 'AbortError' });
});

test('gzipStream() is deterministic, whatever the chunks, and anonymous', async () => {
  const input = Buffer.alloc(GZIP_MEMBER_BYTES * 2 + 77, 'some text to compress ');
  const one = await bytesOf(gzipStream(chunksOf(input, 1 << 20)));
  const other = await bytesOf(gzipStream(chunksOf(input, 99_991)));
  assert.deepEqual(one, other);
  assert.deepEqual(gunzipSync(one), input);
  assert.deepEqual(
    [...one.subarray(0, 10)].filter((_, i) => i !== 8),
    [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 3],
  );
  assert.equal(gunzipSync(await bytesOf(gzipStream(chunksOf(Buffer.alloc(0))))).length, 0);
});
