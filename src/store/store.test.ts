import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test, { after } from 'node:test';
import { fileURLToPath } from 'node:url';
import { LayerReader } from '../layer/layer-reader.js';
import { LayerWriter } from '../layer/layer-writer.js';
import { readTree } from '../layer/read-tree.js';
import { WHITEOUT, type InodeMeta, type LayerDir, type LayerId } from '../layer/types.js';
import { emptyConfig, encodeConfig } from '../oci/config.js';
import { describeBytes } from '../oci/descriptor.js';
import { digestOf, type Digest } from '../oci/digest.js';
import { encodeJson } from '../oci/json.js';
import { ociManifest, type ImageLayer } from '../oci/manifest.js';
import { MEDIA_TYPE } from '../oci/media-types.js';
import { parseReference } from '../oci/reference.js';
import { requires } from '../testing/requires.js';
import { sampleImage } from '../testing/sample-image.js';
import { archive, bytesOf, chunksOf } from '../testing/tar-archive.js';
import { unpackLayer } from '../tar/unpack.js';
import { byteNameOf } from '../util/byte-name.js';
import { storeRoot } from './paths.js';
import { Store } from './store.js';
import { ensureLayers, findLayers } from './unpack-layers.js';

const temp = fs.mkdtempSync(path.join(tmpdir(), 'tsbuild-store-'));
after(() => fs.rmSync(temp, { recursive: true }));
let stores = 0;
function freshRoot(): string {
  return path.join(temp, `store-${stores++}`);
}

const META: InodeMeta = {
  mode: 0o040755,
  uid: 0,
  gid: 0,
  mtimeSec: 1,
  mtimeNsec: 0,
  rdevMajor: 0,
  rdevMinor: 0,
  xattrs: undefined,
};

function rootWith(
  entries: [string, LayerDir['entries'] extends ReadonlyMap<infer _, infer N> ? N : never][],
): LayerDir {
  const named = entries.map(([name, node]) => [byteNameOf(name), node] as const);
  return { kind: 'dir', ...META, opaque: false, entries: new Map(named) };
}

/** A published layer with one file; `from`: of which the content is another layer's. */
async function makeLayer(store: Store, text: string, from?: LayerId): Promise<LayerId> {
  using work = store.work.create();
  const dir = path.join(work.path, 'layer');
  using writer = LayerWriter.create(dir);
  const bytes = Buffer.from(text);
  const own =
    from === undefined ? await writer.writeContent(bytes.length, chunksOf(bytes)) : undefined;
  const content = from === undefined ? own : ({ kind: 'pack', layer: from, offset: 0 } as const);
  writer.finish(
    rootWith([
      ['file', { kind: 'file', ...META, mode: 0o100644, size: bytes.length, content }],
      ['gone', WHITEOUT],
    ]),
    { sync: false },
  );
  return store.layers.publish(dir);
}

/** An image of layers in the store, as `-t` makes it. */
async function makeImage(
  store: Store,
  name: string,
  layers: readonly LayerId[],
): Promise<Digest[]> {
  const platform = { os: 'linux', architecture: 'amd64' };
  const tars = await Promise.all(layers.map((id) => store.layerBlobs.measure(id)));
  const diffIds = tars.map(({ diffId }) => diffId);
  const config = encodeConfig({
    ...emptyConfig(platform),
    rootfs: { type: 'layers', diff_ids: diffIds },
  });
  const manifest = encodeJson(
    ociManifest(
      describeBytes(MEDIA_TYPE.ociConfig, config),
      tars.map(({ diffId, size }) => ({ mediaType: MEDIA_TYPE.ociLayer, digest: diffId, size })),
    ),
  );
  await store.blobs.writeBytes(config);
  await store.blobs.writeBytes(manifest);
  store.images.put(parseReference(name), {
    manifest: describeBytes(MEDIA_TYPE.ociManifest, manifest),
    platform,
    created: '2024-01-01T00:00:00Z',
  });
  return diffIds;
}

for (const [env, want] of [
  [{ TSBUILD_ROOT: '/a', XDG_DATA_HOME: '/b', HOME: '/c' }, '/a'],
  [{ XDG_DATA_HOME: '/b', HOME: '/c' }, '/b/tsbuild'],
  [{ XDG_DATA_HOME: 'relative', HOME: '/c' }, '/c/.local/share/tsbuild'],
  [{ TSBUILD_ROOT: '', HOME: '/c' }, '/c/.local/share/tsbuild'],
] as const) {
  test(`storeRoot() of ${JSON.stringify(env)}`, () => assert.equal(storeRoot(env), want));
}

test('blobs are written whole or not at all, and verified when read', async () => {
  using store = await Store.open(freshRoot());
  const bytes = Buffer.from('some bytes');
  const digest = digestOf(bytes);
  const expect = { digest, size: bytes.length };
  assert.deepEqual(await store.blobs.write(chunksOf(bytes, 3), { expect }), expect);
  assert.deepEqual(await store.blobs.read(digest), bytes);
  assert.deepEqual(store.blobs.list(), [digest]);
  const other = { digest: digestOf('other'), size: bytes.length };
  await assert.rejects(store.blobs.write(chunksOf(bytes), { expect: other }), {
    code: 'TSB_DIGEST_MISMATCH',
  });
  async function* broken(): AsyncGenerator<Buffer> {
    yield* chunksOf(bytes);
    throw new Error('connection lost');
  }
  await assert.rejects(store.blobs.write(broken()), /connection lost/);
  assert.deepEqual(store.blobs.list(), [digest]);
  await assert.rejects(store.blobs.read(other.digest), { code: 'TSB_STORE' });
  fs.writeFileSync(store.blobs.path(digest), 'same bytes');
  await assert.rejects(store.blobs.read(digest), { code: 'TSB_DIGEST_MISMATCH' });
});

test('a document that could not be read again is not stored', async () => {
  using store = await Store.open(freshRoot());
  const large = Buffer.alloc(16 * 1024 * 1024 + 1);
  await assert.rejects(store.blobs.writeBytes(large), { code: 'TSB_LIMIT' });
  assert.deepEqual(store.blobs.list(), []);
});

test('images are found by any spelling of their reference', async () => {
  using store = await Store.open(freshRoot());
  await makeImage(store, 'debian', []);
  const long = `localhost:5000/${'a/'.repeat(100)}b:tag`;
  await makeImage(store, long, []);
  const record = store.images.get(parseReference('docker.io/library/debian:latest'));
  assert(record !== undefined);
  assert.deepEqual(
    store.images.list().map(({ reference }) => reference),
    ['docker.io/library/debian:latest', long],
  );
  const image = await store.loadImage(record);
  assert.equal(image.config.os, 'linux');
  assert.equal(store.images.remove(parseReference('debian:latest')), true);
  assert.equal(store.images.remove(parseReference('debian:latest')), false);
  assert.equal(store.images.get(parseReference('debian')), undefined);
});

test('a layer made here is a virtual blob, and compressed once', async () => {
  using store = await Store.open(freshRoot());
  const id = await makeLayer(store, 'content');
  const { diffId, size } = await store.layerBlobs.measure(id);
  assert.equal(store.layers.findByDiffId(diffId), id);
  const tar = await bytesOf(store.openLayerBlob({ digest: diffId, size }));
  assert.equal(digestOf(tar), diffId);
  const blob = await store.layerBlobs.gzip(diffId);
  assert.deepEqual(await store.layerBlobs.gzip(diffId), blob);
  assert.equal(store.blobs.findSize(blob.digest), blob.size);
  fs.appendFileSync(path.join(store.layers.dirOf(id), 'pack'), 'x');
  fs.writeFileSync(path.join(store.layers.dirOf(id), 'pack'), 'changed');
  const damaged = bytesOf(store.openLayerBlob({ digest: diffId, size }));
  await assert.rejects(damaged, { code: 'TSB_DIGEST_MISMATCH' });
});

test('ensure() unpacks once, however many ask', async () => {
  using store = await Store.open(freshRoot());
  const tar = archive([{ name: 'a', data: 'hello' }]);
  const diffId = digestOf(tar);
  let count = 0;
  const ensure = (): Promise<LayerId> =>
    store.layers.ensure(diffId, async (writer) => {
      count++;
      return await unpackLayer(chunksOf(tar), { writer, expect: diffId });
    });
  const ids = await Promise.all([ensure(), ensure(), ensure()]);
  assert.equal(count, 1);
  assert.equal(new Set(ids).size, 1);
  assert.equal(store.layers.findRecord(diffId)?.tarSize, tar.length);
});

test('a failed unpack leaves nothing, and the next one works', async () => {
  const root = freshRoot();
  using store = await Store.open(root);
  const tar = archive([{ name: '../x', data: 'hello' }]);
  const ensure = (): Promise<LayerId> =>
    store.layers.ensure(digestOf(tar), (writer) => unpackLayer(chunksOf(tar), { writer }));
  await assert.rejects(ensure(), { code: 'TSB_LAYER_INVALID' });
  await assert.rejects(ensure(), { code: 'TSB_LAYER_INVALID' });
  assert.deepEqual(store.layers.list(), []);
  assert.deepEqual(fs.readdirSync(path.join(root, 'work')), []);
});

test('ensureLayers() unpacks the layers of an image from its blobs', async () => {
  using store = await Store.open(freshRoot());
  const tars = ['a', 'b', 'c', 'd', 'e'].map((name) => archive([{ name, data: name }]));
  const layers = await Promise.all(
    tars.map(async (tar) => ({
      descriptor: { mediaType: MEDIA_TYPE.ociLayer, ...(await store.blobs.writeBytes(tar)) },
      diffId: digestOf(tar),
    })),
  );
  const ids = await ensureLayers(store, layers);
  assert.deepEqual(
    ids,
    layers.map(({ diffId }) => store.layers.findByDiffId(diffId)),
  );
  const lost = {
    descriptor: { mediaType: '', digest: digestOf('x'), size: 1 },
    diffId: digestOf('y'),
  };
  await assert.rejects(ensureLayers(store, [lost, ...layers]), { code: 'TSB_STORE' });
});

/** Layers of archives whose blobs are in the store. */
async function blobLayers(store: Store, tars: readonly Buffer[]): Promise<ImageLayer[]> {
  const layers: ImageLayer[] = [];
  for (const tar of tars) {
    const blob = await store.blobs.writeBytes(tar);
    layers.push({
      descriptor: { mediaType: MEDIA_TYPE.ociLayer, ...blob },
      diffId: digestOf(tar),
    });
  }
  return layers;
}

test('a layer with hard links to lower files is another one above other layers', async () => {
  using store = await Store.open(freshRoot());
  const link = archive([{ name: 'new', typeflag: '1', linkname: 'file' }]);
  const plain = archive([{ name: 'plain' }]);
  const bases = ['one', 'another'].map((data) => archive([{ name: 'file', data }]));
  const made = new Set<LayerId>();
  for (const base of bases) {
    const layers = await blobLayers(store, [base, plain, link]);
    assert.deepEqual(findLayers(store, layers)[2], undefined);
    const ids = await ensureLayers(store, layers);
    assert.deepEqual(await ensureLayers(store, layers), ids);
    assert.deepEqual(findLayers(store, layers), ids);
    const [lower, , top] = ids;
    assert(lower !== undefined && top !== undefined);
    made.add(top);
    using reader = LayerReader.open(store.layers.dirOf(top), top);
    assert.deepEqual(reader.index.layers, [lower]);
    const { entries } = readTree(reader.index);
    assert.deepEqual([...entries.keys()], ['file', 'new']);
    const node = entries.get(byteNameOf('new'));
    assert(node === entries.get(byteNameOf('file')));
    assert(typeof node === 'object' && node.kind === 'file');
  }
  assert.equal(made.size, 2);
  assert.equal(store.layers.findByDiffId(digestOf(link)), undefined);
  const [, alone] = await blobLayers(store, [plain, link]);
  assert(alone !== undefined);
  await assert.rejects(ensureLayers(store, [alone]), { code: 'TSB_LAYER_INVALID' });
});

test('many layers that need each other are unpacked at the same time', async () => {
  using store = await Store.open(freshRoot());
  const tars = Array.from({ length: 12 }, (_, i) =>
    archive([
      i === 0
        ? { name: 'f0', data: 'content' }
        : { name: `f${i}`, typeflag: '1', linkname: `f${i - 1}` },
    ]),
  );
  const ids = await ensureLayers(store, await blobLayers(store, tars));
  const top = ids.at(-1);
  assert(top !== undefined);
  using reader = LayerReader.open(store.layers.dirOf(top), top);
  assert.equal(readTree(reader.index).entries.size, 12);
});

test('prune() keeps a layer that is found by its chainId, and the one that it needs', async () => {
  using store = await Store.open(freshRoot());
  const tars = [
    archive([{ name: 'file', data: 'x' }]),
    archive([{ name: 'new', typeflag: '1', linkname: 'file' }]),
  ];
  const layers = await blobLayers(store, tars);
  const record = await sampleImage(store, [], layers);
  store.images.put(parseReference('image'), record);
  const ids = await ensureLayers(store, layers);
  assert.deepEqual((await store.prune({ all: true })).layers, []);
  assert.deepEqual(findLayers(store, layers), ids);
  store.images.remove(parseReference('image'));
  assert.equal((await store.prune({ all: true })).layers.length, 2);
  assert.deepEqual(store.layers.listDiffIds(), []);
});

test('prune() keeps what images and cache records need, through content references', async () => {
  const root = freshRoot();
  using store = await Store.open(root);
  const base = await makeLayer(store, 'base');
  const derived = await makeLayer(store, 'base', base);
  const cached = await makeLayer(store, 'cached');
  const loose = await makeLayer(store, 'loose');
  const [diffId] = await makeImage(store, 'kept', [derived]);
  assert(diffId !== undefined);
  const gzip = await store.layerBlobs.gzip(diffId);
  const { digest: junk } = await store.blobs.writeBytes(Buffer.from('junk'));
  await store.cacheRecords.put('ab'.repeat(32), { layer: { layerId: cached } });

  const dry = await store.prune({ dryRun: true });
  assert.deepEqual(dry.layers, [loose]);
  assert.deepEqual(dry.blobs, [junk]);
  assert(store.blobs.has(junk) && store.layers.has(loose));
  const report = await store.prune();
  assert.deepEqual(report, dry);
  assert(report.freedBytes > 0);
  assert.deepEqual(store.layers.list().sort(), [base, derived, cached].sort());
  assert(store.blobs.has(gzip.digest));

  const all = await store.prune({ all: true });
  assert.deepEqual(all.layers, [cached]);
  assert.deepEqual(all.blobs, [gzip.digest]);
  assert.equal(all.cacheRecords, 1);
  store.images.remove(parseReference('kept'));
  const rest = await store.prune();
  assert.deepEqual([...rest.layers].sort(), [base, derived].sort());
  assert.deepEqual(store.blobs.list(), []);
  assert.deepEqual(fs.readdirSync(path.join(root, 'diffids')), []);
});

test('prune() removes what is left of cache mounts without a key', async () => {
  using store = await Store.open(freshRoot());
  const home = path.join(store.root, 'cache-mounts', 'ab12');
  fs.mkdirSync(path.join(home, '0/sub'), { recursive: true });
  fs.writeFileSync(path.join(home, '0/sub/file'), 'left');
  assert.deepEqual((await store.prune()).cacheMounts, []);
  const options = { cacheMounts: true, cacheAgeMs: 1_000_000 };
  for (const dryRun of [true, false]) {
    assert.ok(fs.existsSync(home));
    const [found, ...others] = (await store.prune({ ...options, dryRun })).cacheMounts;
    assert.deepEqual([found?.id, others], ['ab12', []]);
    assert.ok((found?.bytes ?? 0) >= 4096);
  }
  assert.ok(!fs.existsSync(home));
});

test('prune() drops old cache records', async () => {
  using store = await Store.open(freshRoot());
  await store.cacheRecords.put('ab'.repeat(32), {});
  const dayMs = 86_400_000;
  assert.equal((await store.prune({ nowMs: Date.now() + 13 * dayMs })).cacheRecords, 0);
  assert.equal((await store.prune({ nowMs: Date.now() + 15 * dayMs })).cacheRecords, 1);
  assert.equal(await store.cacheRecords.get('ab'.repeat(32)), undefined);
});

test('prune() waits for other users of the store, says so, and can be aborted', async () => {
  const root = freshRoot();
  using store = await Store.open(root);
  const other = await Store.open(root);
  const waits: string[] = [];
  const pruning = store.prune({ onWait: (what) => waits.push(what) });
  await new Promise((resolve) => setTimeout(resolve, 700));
  assert.equal(waits.length, 1);
  other[Symbol.dispose]();
  await pruning;
  using _third = await Store.open(root);
  await assert.rejects(store.prune({ signal: AbortSignal.timeout(100) }), { name: 'TimeoutError' });
});

test('work directories of the living stay, those of the dead go', async () => {
  const root = freshRoot();
  const script = `
    import { Store } from ${JSON.stringify(fileURLToPath(new URL('store.js', import.meta.url)))};
    const store = await Store.open(${JSON.stringify(root)});
    const work = store.work.create();
    (await import('node:fs')).writeFileSync(work.path + '/file', 'x');
    console.log(work.path);
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script]);
  const [line] = (await new Promise<Buffer>((resolve) => child.stdout.once('data', resolve)))
    .toString()
    .split('\n');
  assert(line !== undefined && fs.existsSync(line));
  (await Store.open(root))[Symbol.dispose]();
  assert(fs.existsSync(line), 'a living owner keeps it');
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
  (await Store.open(root))[Symbol.dispose]();
  assert(!fs.existsSync(line), 'a dead owner does not');
  assert.deepEqual(fs.readdirSync(path.join(root, 'work')), []);
});

test('a store of another version, and what is no directory, are refused', async () => {
  const root = freshRoot();
  (await Store.open(root))[Symbol.dispose]();
  fs.writeFileSync(path.join(root, 'version'), '999\n');
  await assert.rejects(Store.open(root), { code: 'TSB_STORE' });
  const file = path.join(temp, 'file');
  fs.writeFileSync(file, '');
  await assert.rejects(Store.open(file), { code: 'TSB_STORE' });
});

test('a full disk is TSB_NO_SPACE, and leaves nothing', (t) => {
  if (!requires(t, 'root', 'program:unshare')) return;
  const store = fileURLToPath(new URL('store.js', import.meta.url));
  const unpack = fileURLToPath(new URL('../tar/unpack.js', import.meta.url));
  const helper = fileURLToPath(new URL('../testing/tar-archive.js', import.meta.url));
  const root = path.join(temp, 'small');
  fs.mkdirSync(root);
  const script = `
    import fs from 'node:fs';
    import { Store } from ${JSON.stringify(store)};
    import { unpackLayer } from ${JSON.stringify(unpack)};
    import { archive, chunksOf } from ${JSON.stringify(helper)};
    const store = await Store.open(process.argv[1]);
    const codes = [];
    const big = Buffer.alloc(3_000_000, 'x');
    const failed = (error) => codes.push(error.code);
    await store.blobs.write(chunksOf(big)).catch(failed);
    const diffId = 'sha256:' + 'a'.repeat(64);
    for (const data of [[big], Array.from({ length: 30 }, () => big.subarray(0, 100_000))]) {
      const tar = archive(data.map((bytes, i) => ({ name: 'f' + i, data: bytes })));
      const unpack = (writer) => unpackLayer(chunksOf(tar), { writer });
      await store.layers.ensure(diffId, unpack).catch(failed);
    }
    console.log(codes.join(), store.blobs.list().length, store.layers.list().length);
    store[Symbol.dispose]();
    console.log(fs.readdirSync(process.argv[1] + '/work').length);`;
  const output = execFileSync('unshare', [
    ...[
      '-m',
      'sh',
      '-c',
      'mount -t tmpfs -o size=2m none "$1" && exec "$2" --input-type=module -e "$3" "$1"',
    ],
    ...['sh', root, process.execPath, script],
  ]).toString();
  assert.equal(output, 'TSB_NO_SPACE,TSB_NO_SPACE,TSB_NO_SPACE 0 0\n0\n');
});

test('a place where no directory can be made is refused, at once', async () => {
  await assert.rejects(Store.open('/proc/tsbuild/store'), { code: 'TSB_STORE' });
});
