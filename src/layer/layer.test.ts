import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import test from 'node:test';

import { byteNameOf } from '../util/byte-name.js';
import { UserError } from '../util/errors.js';
import { LayerIndex, encodeIndex } from './index-codec.js';
import { readTree } from './read-tree.js';
import { LayerReader, LayerSet, openContent } from './layer-reader.js';
import { LayerWriter, PACK_FILE_BYTES_MAX } from './layer-writer.js';
import { WHITEOUT, type InodeMeta, type LayerDir, type LayerId, type LayerNode } from './types.js';

const OTHER = '00112233445566778899aabbccddeeff' as LayerId;
const HOME = 'ffeeddccbbaa99887766554433221100' as LayerId;

function meta(mode: number, change: Partial<InodeMeta> = {}): InodeMeta {
  return {
    mode,
    uid: 0x11223344,
    gid: 0xfffffffe,
    mtimeSec: -12345678901,
    mtimeNsec: 999999999,
    rdevMajor: 0,
    rdevMinor: 0,
    xattrs: undefined,
    ...change,
  };
}

function dir(entries: Record<string, LayerNode | typeof WHITEOUT>, opaque = false): LayerDir {
  const named = Object.entries(entries)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, node]) => [byteNameOf(name), node] as const);
  return { ...meta(0o40755), kind: 'dir', opaque, entries: new Map(named) };
}

function impliedDir(entries: Record<string, LayerNode>): LayerDir {
  return { ...dir(entries), implied: true };
}

function sample(): LayerDir {
  const xattrs = new Map([
    [byteNameOf('security.capability'), Buffer.from('0100', 'hex')],
    [byteNameOf('user.empty'), Buffer.alloc(0)],
  ]);
  const linked: LayerNode = {
    ...meta(0o104755, { xattrs }),
    kind: 'file',
    size: 2 ** 40 + 7,
    content: { kind: 'file', layer: OTHER, number: 42 },
  };
  return dir({
    a: dir({ 'ä\n': linked, gone: WHITEOUT }, true),
    b: linked,
    dev: { ...meta(0o20666, { rdevMajor: 259, rdevMinor: 0xfffff }), kind: 'special' },
    empty: { ...meta(0o100644), kind: 'file', size: 0, content: undefined },
    implied: impliedDir({ below: impliedDir({ again: linked }) }),
    link: { ...meta(0o120777), kind: 'symlink', target: byteNameOf('a/ä') },
    small: {
      ...meta(0o100600),
      kind: 'file',
      size: 3,
      content: { kind: 'pack', layer: undefined, offset: 2 ** 33 },
    },
  });
}

/** Reads everything that an index has. */
function readAll(bytes: Buffer): LayerDir {
  return readTree(LayerIndex.decode(bytes));
}

function tempDir(t: test.TestContext): string {
  const made = fs.mkdtempSync(path.join(os.tmpdir(), 'tsbuild-layer-'));
  t.after(() => fs.rmSync(made, { recursive: true, force: true }));
  return made;
}

test('encodeIndex() and readTree() keep everything', () => {
  const tree = readAll(encodeIndex(sample()));
  assert.deepEqual(tree, sample());
  const a = tree.entries.get(byteNameOf('a'));
  assert(a !== undefined && a !== WHITEOUT && a.kind === 'dir');
  assert.equal(a.entries.get(byteNameOf('ä\n')), tree.entries.get(byteNameOf('b')));
});

test('encodeIndex() is deterministic', () => {
  assert.deepEqual(encodeIndex(sample()), encodeIndex(sample()));
});

test('LayerIndex finds children, links and layers', () => {
  const index = LayerIndex.decode(encodeIndex(sample(), () => Buffer.alloc(32, 7)));
  assert.deepEqual(index.layers, [OTHER]);
  const a = index.child(0, byteNameOf('a'));
  const b = index.child(0, byteNameOf('b'));
  assert(typeof a === 'number' && typeof b === 'number');
  assert.equal(index.child(a, byteNameOf('gone')), WHITEOUT);
  assert.equal(index.child(a, byteNameOf('ä\n')), b);
  assert.equal(index.child(0, byteNameOf('zz')), undefined);
  assert.equal(index.nlink(b), 3);
  assert.equal(index.nlink(0), 4);
  const paths = index.pathsOf(new Set([b, index.child(0, byteNameOf('empty')) as number]));
  assert.deepEqual(paths.map((names) => names.join('/')).sort(), [
    byteNameOf('a/ä\n'),
    ...['b', 'empty', 'implied/below/again'],
  ]);
  assert.deepEqual(index.digest(b), Buffer.alloc(32, 7));
  assert.equal(index.digest(a), undefined);
});

test('LayerIndex refuses every truncation', () => {
  const bytes = encodeIndex(sample());
  for (let size = 0; size < bytes.length; size++) {
    assert.throws(() => readAll(bytes.subarray(0, size)), UserError, `${size} bytes`);
  }
  assert.throws(() => readAll(Buffer.concat([bytes, Buffer.alloc(1)])), UserError);
});

test('LayerIndex survives any damaged byte', () => {
  const bytes = encodeIndex(sample());
  for (let at = 0; at < bytes.length; at++) {
    for (const value of [0, 0x7f, 0xff]) {
      const damaged = Buffer.from(bytes);
      damaged[at] = value;
      try {
        readAll(damaged);
        LayerIndex.decode(damaged).pathsOf(new Set([1, 2, 3]));
      } catch (error) {
        assert(error instanceof UserError, `byte ${at}: ${String(error)}`);
        assert.equal(error.code, 'TSB_STORE');
      }
    }
  }
});

test('LayerIndex refuses a directory that contains itself', () => {
  const bytes = encodeIndex(dir({ x: dir({}) }));
  const index = LayerIndex.decode(bytes);
  assert.equal(index.child(0, byteNameOf('x')), 1);
  bytes.writeUInt32LE(0, bytes.length - 1 - 12 + 8);
  assert.throws(() => readAll(bytes), { code: 'TSB_STORE' });
});

async function collect(chunks: AsyncIterable<Buffer>): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return Buffer.concat(parts);
}

test('LayerWriter and LayerReader keep contents', async (t) => {
  const root = tempDir(t);
  const contents = [0, 1, 4096, PACK_FILE_BYTES_MAX, PACK_FILE_BYTES_MAX + 1, 3_000_001].map(
    (size) => randomBytes(size),
  );
  const zeros = Buffer.alloc(4 * 1024 * 1024);
  using writer = LayerWriter.create(path.join(root, HOME));
  const entries: Record<string, LayerNode> = {};
  for (const content of [...contents, zeros]) {
    const halves = [content.subarray(0, 100_000), content.subarray(100_000)];
    const ref = await writer.writeContent(content.length, halves);
    const node = { ...meta(0o100600), kind: 'file', size: content.length, content: ref } as const;
    entries[String(content.length)] = node;
  }
  writer.finish(dir(entries));
  using layers = new LayerSet((id) => path.join(root, id));
  const { index } = layers.open(HOME);
  for (const content of [...contents, zeros]) {
    const row = index.child(0, byteNameOf(String(content.length)));
    assert(typeof row === 'number');
    const ref = index.content(row);
    const read = await collect(openContent({ layers, home: HOME, ref, size: index.size(row) }));
    assert(read.equals(content), `${content.length} bytes`);
  }
  const sparse = fs.statSync(path.join(root, HOME, 'data', '3'));
  assert(sparse.blocks < 8200 && sparse.size === zeros.length);
});

test('LayerWriter removes what was not finished', async (t) => {
  const made = path.join(tempDir(t), HOME);
  {
    using writer = LayerWriter.create(made);
    await writer.writeContent(3, [Buffer.from('abc')]);
  }
  assert.equal(fs.existsSync(made), false);
});

test('LayerWriter refuses a content of another size', async (t) => {
  using writer = LayerWriter.create(path.join(tempDir(t), HOME));
  const error = { code: 'TSB_LAYER_INVALID' };
  await assert.rejects(writer.writeContent(4, [Buffer.from('abc')]), error);
  await assert.rejects(writer.writeContent(2, [Buffer.from('abc')]), error);
  const large = PACK_FILE_BYTES_MAX + 9;
  await assert.rejects(writer.writeContent(large, [Buffer.alloc(large - 1)]), error);
});

test('LayerReader names a missing layer', (t) => {
  const root = tempDir(t);
  assert.throws(() => LayerReader.open(path.join(root, HOME), HOME), { code: 'TSB_STORE' });
});
