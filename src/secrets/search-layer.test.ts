import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'node:test';
import { LayerWriter } from '../layer/layer-writer.js';
import { WHITEOUT } from '../layer/types.js';
import type { ContentRef, InodeMeta, LayerDir, LayerId, LayerNode } from '../layer/types.js';
import { ftruncate, pwrite } from '../sys/file.js';
import { byteNameOf } from '../util/byte-name.js';
import type { ByteName } from '../util/byte-name.js';
import type { Finding } from './layer-findings.js';
import { patternsOf } from './patterns.js';
import { searchInThread } from './search-in-thread.js';
import { searchLayer } from './search-layer.js';
import type { SearchLayerJob } from './search-layer.js';

const TOKEN = 'tok/en-12345678';
const META: InodeMeta = {
  mode: 0,
  uid: 0,
  gid: 0,
  mtimeSec: 0,
  mtimeNsec: 0,
  rdevMajor: 0,
  rdevMinor: 0,
  xattrs: undefined,
};
const OTHER = '0123456789abcdef0123456789abcdef' as LayerId;

type Entries = Record<string, LayerNode | typeof WHITEOUT>;

function dir(entries: Entries): LayerDir {
  const named = Object.entries(entries).map(([name, node]) => [byteNameOf(name), node] as const);
  return { ...META, mode: 0o40755, kind: 'dir', opaque: false, entries: new Map(named) };
}

function file(content: ContentRef | undefined, size: number): LayerNode {
  return { ...META, mode: 0o100644, kind: 'file', size, content };
}

function link(target: string): LayerNode {
  return { ...META, mode: 0o120777, kind: 'symlink', target: byteNameOf(target) };
}

function packed(writer: LayerWriter, bytes: string | Buffer): LayerNode {
  const content = Buffer.from(bytes);
  return file(writer.appendPack(content), content.length);
}

function withXattr(node: LayerNode, name: string, value: string): LayerNode {
  const xattrs = new Map<ByteName, Buffer>([[byteNameOf(name), Buffer.from(value)]]);
  return { ...node, xattrs };
}

/** Writes a layer below a new directory, and says how to search it. */
function layerOf(
  t: test.TestContext,
  make: (writer: LayerWriter, root: string) => Entries,
): SearchLayerJob {
  const root = mkdtempSync(path.join(tmpdir(), 'tsbuild-search-'));
  t.after(() => rmSync(root, { recursive: true }));
  const at = path.join(root, 'new');
  using writer = LayerWriter.create(at);
  writer.finish(dir(make(writer, root)), { sync: false });
  const secrets = [{ id: 'token', bytes: Buffer.from(`${TOKEN}\n`) }];
  return { dir: at, patterns: patternsOf(secrets), layersRoot: root, clean: [] };
}

function tell({ path: file, place, form }: Finding): string {
  return `${file} ${place.kind === 'xattr' ? `xattr ${place.name}` : place.kind} ${form}`;
}

const CASES: readonly (readonly [
  name: string,
  make: (writer: LayerWriter, root: string) => Entries,
  want: readonly string[],
])[] = [
  ['a small file', (w) => ({ f: packed(w, `x ${TOKEN}`) }), ['/f content as it is']],
  [
    'one of many, whose neighbours complete nothing',
    (w) => ({
      a: packed(w, TOKEN.slice(0, 5)),
      b: packed(w, TOKEN.slice(5)),
      c: packed(w, Buffer.from(TOKEN).toString('base64')),
      d: packed(w, 'nothing'),
    }),
    ['/c content in Base64'],
  ],
  [
    'a file under both its names',
    (w) => {
      const node = packed(w, TOKEN);
      return { a: node, d: dir({ b: node }) };
    },
    ['/a content as it is', '/d/b content as it is'],
  ],
  [
    'what no file has any more',
    (w) => {
      w.appendPack(Buffer.from(TOKEN));
      return { a: packed(w, 'x') };
    },
    [],
  ],
  [
    'a huge file with holes',
    (w) => {
      const { ref, fd: made } = w.createDataFile();
      using fd = made;
      pwrite(fd, Buffer.from(TOKEN), 7 * 1024 ** 3 - 5);
      ftruncate(fd, 1024 ** 4);
      return { huge: file(ref, 1024 ** 4) };
    },
    ['/huge content as it is'],
  ],
  [
    'a content that lies in another layer',
    (_, root) => {
      using other = LayerWriter.create(path.join(root, OTHER));
      const { content } = packed(other, `..${TOKEN}`) as { content: ContentRef };
      other.finish(dir({}), { sync: false });
      return { f: file({ ...content, layer: OTHER }, TOKEN.length + 2) };
    },
    ['/f content as it is'],
  ],
  [
    'a name',
    () => ({ d: dir({ 'tok%2Fen-12345678': dir({ x: dir({}) }) }) }),
    ['/d/*** name percent-encoded'],
  ],
  ['names', () => ({ tok: dir({ 'en-12345678.txt': dir({}) }) }), ['/***.txt name as it is']],
  [
    'the name of what is removed',
    () => ({ tok: dir({ 'en-12345678': WHITEOUT }) }),
    ['/*** name as it is'],
  ],
  ['the target of a link', () => ({ l: link(`/${TOKEN}`) }), ['/l target as it is']],
  [
    'an extended attribute',
    () => ({ f: withXattr(file(undefined, 0), 'user.a', TOKEN) }),
    ['/f xattr user.a as it is'],
  ],
  [
    'nothing',
    (w) => ({ f: packed(w, TOKEN.slice(0, -1)), l: link('tok'), 'en-12345678': dir({}) }),
    [],
  ],
];
for (const [name, make, want] of CASES) {
  test(`searchLayer() looks into ${name}`, async (t) => {
    const job = layerOf(t, make);
    assert.deepEqual(searchLayer(job).map(tell), want);
    assert.deepEqual(searchLayer({ ...job, patterns: [] }), []);
    const { signal } = new AbortController();
    assert.deepEqual((await searchInThread(job, signal)).map(tell), want);
  });
}

test('searchLayer() does not look into layers that are clean', (t) => {
  const job = layerOf(t, () => ({
    f: file({ kind: 'pack', layer: OTHER, offset: 0 }, 5),
  }));
  assert.deepEqual(searchLayer({ ...job, clean: [OTHER] }), []);
});

test('searchInThread() searches large layers in a thread, and can be stopped', async (t) => {
  const job = layerOf(t, (writer) => {
    const { ref, fd: made } = writer.createDataFile();
    using fd = made;
    const bytes = Buffer.alloc(17 * 1024 * 1024, 'x');
    bytes.write(TOKEN, bytes.length - 100);
    pwrite(fd, bytes, 0);
    return { large: file(ref, bytes.length) };
  });
  const found = await searchInThread(job, new AbortController().signal);
  assert.deepEqual(found.map(tell), ['/large content as it is']);
  const stop = new AbortController();
  const searching = searchInThread(job, stop.signal);
  const reason = new Error('enough');
  stop.abort(reason);
  await assert.rejects(searching, reason);
});
