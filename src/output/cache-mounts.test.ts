import assert from 'node:assert/strict';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test, { after } from 'node:test';

import { describeBytes, type Descriptor } from '../oci/descriptor.js';
import { digestHex, digestOf } from '../oci/digest.js';
import { ociIndex } from '../oci/image-index.js';
import { encodeJson } from '../oci/json.js';
import { MEDIA_TYPE } from '../oci/media-types.js';
import { Store } from '../store/store.js';
import { mknodat } from '../sys/directory.js';
import { setxattr } from '../sys/xattr.js';
import { openat } from '../sys/file.js';
import { TYPE } from '../tar/header.js';
import { requires } from '../testing/requires.js';
import { archive, type ArchiveEntry } from '../testing/tar-archive.js';
import { diffSnapshots, snapshotTree } from '../testing/tree-snapshot.js';
import { byteNameOf } from '../util/byte-name.js';
import { CACHE_MOUNTS_TYPE, annotationsOf, cacheMountsManifest } from './cache-mounts-layout.js';
import { exportCacheMounts, type FileBytes } from './export-cache-mounts.js';
import { CacheMountsImport } from './import-cache-mounts.js';

const temp = fs.mkdtempSync(path.join(tmpdir(), 'tsbuild-caches-'));
after(() => fs.rmSync(temp, { recursive: true }));
const { signal } = new AbortController();
const KEY = { id: '/root/.npm', base: '' };
const SENTINEL = path.join(temp, 'sentinel');
fs.mkdirSync(SENTINEL);
const isRoot = process.getuid?.() === 0;

let names = 0;
function fresh(): string {
  return path.join(temp, String(names++));
}

async function importTo(saved: string, dest: string): Promise<boolean> {
  fs.mkdirSync(dest);
  const imported = await CacheMountsImport.open(saved);
  assert.ok(imported !== undefined);
  return await imported.fill(KEY, dest, { work: fresh(), signal });
}

function fill(dir: string): void {
  const at = (name: string): string => path.join(dir, name);
  fs.mkdirSync(at('sub/deep'), { recursive: true });
  fs.writeFileSync(at('file'), 'content');
  fs.writeFileSync(at('large'), Buffer.alloc(600_000, 7));
  fs.linkSync(at('file'), at('sub/hard'));
  fs.symlinkSync('/etc/passwd', at('sub/link'));
  fs.writeFileSync(at('sub/script'), '#!', { mode: 0o755 });
  using fd = openat(undefined, at('file'), fs.constants.O_RDWR);
  setxattr(fd, byteNameOf('user.test'), Buffer.from('value'));
  if (isRoot) fs.chownSync(at('sub/deep'), 42, 4242);
  fs.utimesSync(at('large'), 1_500_000_000.25, 1_500_000_000.25);
  fs.chmodSync(at('sub/deep'), 0o2710);
  fs.chmodSync(dir, 0o751);
}

test('a cache comes back as it was, with owners, modes, links, xattrs and times', async (t) => {
  await using store = await Store.open(fresh());
  const lease = await store.cacheMounts.acquire({ key: KEY, sharing: 'shared', fill });
  lease[Symbol.dispose]();
  const saved = fresh();
  const other = { id: 'other', base: '' };
  const { count } = await exportCacheMounts(store, { dest: saved, keys: [KEY, other], signal });
  assert.equal(count, 1);
  const dest = fresh();
  assert.equal(await importTo(saved, dest), true);
  assert.deepEqual(diffSnapshots(snapshotTree(lease.dir), snapshotTree(dest)), []);
  const again = await CacheMountsImport.open(saved);
  assert.deepEqual([again?.has(KEY), again?.has(other)], [true, false]);
  await t.test('and a second export leaves nothing of the first', async () => {
    fs.writeFileSync(path.join(lease.dir, 'file'), 'changed');
    await exportCacheMounts(store, { dest: saved, keys: [KEY], signal });
    assert.equal(fs.readdirSync(path.join(saved, 'blobs/sha256')).length, 3);
  });
});

test('a cache with a secret is not exported, and the directory can be used again', async () => {
  await using store = await Store.open(fresh());
  const lease = await store.cacheMounts.acquire({ key: KEY, sharing: 'shared', fill });
  lease[Symbol.dispose]();
  const options = { dest: fresh(), keys: [KEY], signal };
  const secretsIn = (file: FileBytes): string[] => {
    const bytes = Buffer.alloc(file.size);
    return file.read(bytes, 0) === 2 && bytes.equals(Buffer.from('#!')) ? ['token'] : [];
  };
  await assert.rejects(exportCacheMounts(store, { ...options, secretsIn }), {
    code: 'TSB_SECRET',
    message: 'Cannot export cache "/root/.npm": secret "token" is in its file "sub/script"',
  });
  assert.equal((await CacheMountsImport.open(options.dest))?.has(KEY), false);
  assert.equal((await exportCacheMounts(store, options)).count, 1);
});

test('a device in a cache is left out', async (t) => {
  if (!requires(t, 'root')) return;
  await using store = await Store.open(fresh());
  const make = (dir: string): void => {
    fs.mkdirSync(path.join(dir, 'sub'));
    mknodat(undefined, path.join(dir, 'sub/null'), fs.constants.S_IFCHR | 0o666, 1, 3);
    mknodat(undefined, path.join(dir, 'sub/fifo'), fs.constants.S_IFIFO | 0o600);
  };
  const lease = await store.cacheMounts.acquire({ key: KEY, sharing: 'shared', fill: make });
  lease[Symbol.dispose]();
  const [saved, dest] = [fresh(), fresh()];
  await exportCacheMounts(store, { dest: saved, keys: [KEY], signal });
  await importTo(saved, dest);
  assert.deepEqual(fs.readdirSync(path.join(dest, 'sub')), ['fifo']);
});

test('exportCacheMounts() writes to no directory of others', async () => {
  await using store = await Store.open(fresh());
  const dest = fresh();
  fs.mkdirSync(dest);
  fs.writeFileSync(path.join(dest, 'file'), '');
  const options = { dest, keys: [KEY], signal };
  await assert.rejects(exportCacheMounts(store, options), { code: 'TSB_OUTPUT' });
  fs.rmSync(path.join(dest, 'file'));
  fs.writeFileSync(
    path.join(dest, 'index.json'),
    encodeJson(ociIndex([describeBytes('x/y', SAMPLE)])),
  );
  await assert.rejects(exportCacheMounts(store, options), { code: 'TSB_OUTPUT' });
  assert.deepEqual(fs.readdirSync(dest), ['index.json']);
});

const SAMPLE = Buffer.from('{}');

/** A layout of one cache, `tar` being its layer. */
function layoutOf(tar: Buffer, layer: Partial<Descriptor> = {}): string {
  const dir = fresh();
  const blobs = path.join(dir, 'blobs/sha256');
  fs.mkdirSync(blobs, { recursive: true });
  const put = (bytes: Buffer): void => {
    fs.writeFileSync(path.join(blobs, digestHex(digestOf(bytes))), bytes);
  };
  const described = describeBytes(MEDIA_TYPE.ociLayer, tar);
  const layers = [{ ...described, annotations: annotationsOf(KEY), ...layer }];
  const document = encodeJson(cacheMountsManifest(describeBytes('x/y', SAMPLE), layers));
  for (const bytes of [SAMPLE, tar, document]) put(bytes);
  const entry = { ...describeBytes(MEDIA_TYPE.ociManifest, document) };
  const index = ociIndex([{ ...entry, artifactType: CACHE_MOUNTS_TYPE }]);
  fs.writeFileSync(path.join(dir, 'index.json'), encodeJson(index));
  fs.writeFileSync(path.join(dir, 'oci-layout'), encodeJson({ imageLayoutVersion: '1.0.0' }));
  return dir;
}

const HOSTILE: readonly (readonly [sin: string, entries: readonly ArchiveEntry[]])[] = [
  ['a path with dots', [{ name: '../../sentinel/x' }]],
  ['an absolute path', [{ name: `${SENTINEL}/x` }]],
  [
    'a link on the way',
    [{ name: 'l', typeflag: TYPE.symlink, linkname: SENTINEL }, { name: 'l/x' }],
  ],
  ['a hard link outwards', [{ name: 'h', typeflag: TYPE.link, linkname: '../../sentinel' }]],
  ['a device', [{ name: 'd', typeflag: TYPE.character, devmajor: 1, devminor: 3 }]],
  ['a device further down', [{ name: 'a/b/d', typeflag: TYPE.block, devmajor: 8 }]],
  [
    'two roots',
    [
      { name: './', typeflag: TYPE.directory },
      { name: '..', typeflag: TYPE.directory },
    ],
  ],
];

for (const [sin, entries] of HOSTILE) {
  test(`an imported archive with ${sin} reaches nothing else`, async () => {
    const dest = fresh();
    const outcome = await importTo(layoutOf(archive(entries)), dest).catch(
      (error: unknown) => error,
    );
    if (outcome !== true) {
      assert.ok(outcome instanceof Error && 'code' in outcome);
      assert.match(String(outcome.code), /^TSB_(LAYER_INVALID|UNSUPPORTED|LIMIT)$/);
      assert.match(outcome.message, /^Cannot import cache "\/root\/\.npm" of /);
    }
    assert.deepEqual(fs.readdirSync(SENTINEL), []);
    const special = fs
      .readdirSync(dest, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isCharacterDevice() || entry.isBlockDevice());
    assert.deepEqual(special, []);
  });
}

const TAR = archive([{ name: 'file', data: 'x' }]);
for (const [what, layer] of [
  ['another digest', { digest: digestOf(SAMPLE), size: 2 }],
  ['another size', { size: TAR.length + 1 }],
  ['no blob', { digest: digestOf(Buffer.from('absent')) }],
] as const) {
  test(`an imported layer with ${what} is refused`, async () => {
    const dest = fresh();
    await assert.rejects(importTo(layoutOf(TAR, layer), dest), /Cannot import cache/);
    assert.deepEqual(fs.readdirSync(dest), []);
  });
}

test('a layout whose files are links, or whose documents are no JSON, is refused', async () => {
  const linked = layoutOf(TAR);
  fs.rmSync(path.join(linked, 'index.json'));
  fs.symlinkSync('/etc/passwd', path.join(linked, 'index.json'));
  await assert.rejects(CacheMountsImport.open(linked), { code: 'TSB_IMAGE_INVALID' });
  const broken = layoutOf(TAR);
  fs.writeFileSync(path.join(broken, 'index.json'), '{');
  await assert.rejects(CacheMountsImport.open(broken), { code: 'TSB_IMAGE_INVALID' });
  assert.equal(await CacheMountsImport.open(fresh()), undefined);
});
