import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test, { after, type TestContext } from 'node:test';

import { digestOf } from '../oci/digest.js';
import { MEDIA_TYPE } from '../oci/media-types.js';
import { parseReference } from '../oci/reference.js';
import type { StoredImage } from '../store/stored-image.js';
import { Store } from '../store/store.js';
import { requires } from '../testing/requires.js';
import { sampleImage } from '../testing/sample-image.js';
import { archive, type ArchiveEntry } from '../testing/tar-archive.js';
import { diffSnapshots, snapshotTree } from '../testing/tree-snapshot.js';
import { parseOutputSpec } from './output-spec.js';
import { unpackImage, writeOutput } from './write-output.js';

/*
 * Layers as other programs write them, unpacked by us and by umoci, which applies one after the
 * other to a directory.
 */

const temp = fs.mkdtempSync(path.join(tmpdir(), 'tsbuild-foreign-'));
after(() => fs.rmSync(temp, { recursive: true }));

let names = 0;
function fresh(): string {
  return path.join(temp, String(names++));
}

/** An image of layer archives, base first. */
async function imageOf(store: Store, tars: readonly Buffer[]): Promise<StoredImage> {
  const pulled = [];
  for (const tar of tars) {
    const blob = await store.blobs.writeBytes(tar);
    pulled.push({
      descriptor: { mediaType: MEDIA_TYPE.ociLayer, ...blob },
      diffId: digestOf(tar),
    });
  }
  return await store.loadImage(await sampleImage(store, [], pulled));
}

/** The image's files as we unpack them, which umoci must agree to. */
async function unpackBoth(store: Store, image: StoredImage): Promise<string> {
  const [layout, bundle, ours] = [fresh(), fresh(), fresh()];
  const tags = [parseReference('example.com/app:1')];
  await writeOutput(parseOutputSpec(`type=oci,dest=${layout}`), image, store, { tags });
  execFileSync('umoci', ['unpack', '--image', `${layout}:1`, bundle]);
  assert.deepEqual(await unpackImage(image, ours, store), []);
  const theirs = snapshotTree(path.join(bundle, 'rootfs'));
  assert.deepEqual(diffSnapshots(theirs, snapshotTree(ours)), []);
  return ours;
}

function canCompare(t: TestContext): boolean {
  return requires(t, 'root', 'program:umoci', 'program:tar');
}

const ROOT: ArchiveEntry = { name: './', typeflag: '5', mode: 0o711, mtime: 1001 };
const BASE: readonly ArchiveEntry[] = [
  ROOT,
  { name: 'etc/', typeflag: '5', mode: 0o750, uid: 5, gid: 6, mtime: 1002 },
  { name: 'etc/passwd', data: 'root', mode: 0o640, uid: 7, mtime: 1003 },
  { name: 'etc/alias', typeflag: '1', linkname: 'etc/passwd' },
  { name: 'etc/link', typeflag: '2', linkname: 'passwd', mtime: 1004 },
  { name: 'usr/', typeflag: '5', mode: 0o755, mtime: 1005 },
  { name: 'usr/lib/', typeflag: '5', mode: 0o755, mtime: 1006 },
  { name: 'usr/lib/libc', data: 'libc', mtime: 1007 },
  { name: 'lib', typeflag: '2', linkname: 'usr/lib', mtime: 1008 },
  { name: 'tmp/', typeflag: '5', mode: 0o1777, mtime: 1009 },
];

test('a layer of GNU tar without parent directories keeps those of the lower layer', async (t) => {
  if (!canCompare(t)) return;
  const files = fresh();
  for (const dir of ['tmp', 'var/cache/deep', 'etc']) {
    fs.mkdirSync(path.join(files, dir), { recursive: true });
  }
  fs.chmodSync(path.join(files, 'tmp'), 0o1777);
  fs.chmodSync(path.join(files, 'etc'), 0o2755);
  fs.chownSync(path.join(files, 'var/cache'), 12, 34);
  for (const file of ['old', 'tmp/old', 'var/cache/deep/old', 'etc/old']) {
    fs.writeFileSync(path.join(files, file), file);
  }
  execFileSync('find', [files, '-exec', 'touch', '-hd', '@1000000000.5', '{}', '+']);
  const tar = (...args: string[]): Buffer =>
    execFileSync('tar', ['--format=pax', '-C', files, '-c', ...args]);
  const base = tar('.');
  for (const file of ['new', 'tmp/new', 'var/cache/deep/new', 'etc/new', 'etc/.wh.old']) {
    fs.writeFileSync(path.join(files, file), file);
  }
  const upper = tar(
    ...['--no-recursion', 'new', './tmp/new', 'var/cache/deep/new', 'etc/new', 'etc/.wh.old'],
  );
  using store = await Store.open(fresh());
  const ours = await unpackBoth(store, await imageOf(store, [base, upper]));
  assert.equal(fs.statSync(path.join(ours, 'tmp')).mode & 0o7777, 0o1777);
  assert.equal(fs.statSync(path.join(ours, 'var/cache')).uid, 12);
  assert.equal(fs.statSync(ours).mtimeMs, 1_000_000_000_500);
  assert(!fs.existsSync(path.join(ours, 'etc/old')));
});

const LINKS: readonly ArchiveEntry[] = [
  { name: 'tmp/one', typeflag: '1', linkname: 'etc/passwd' },
  { name: 'tmp/two', typeflag: '1', linkname: './etc/alias' },
  { name: 'tmp/three', typeflag: '1', linkname: '/tmp/one' },
  { name: 'tmp/through', typeflag: '1', linkname: 'lib/libc' },
  { name: 'tmp/symlink', typeflag: '1', linkname: 'etc/link' },
];

test('hard links to files of lower layers', async (t) => {
  if (!canCompare(t)) return;
  using store = await Store.open(fresh());
  const above = archive([{ name: 'etc/group', data: 'g', mtime: 5 }]);
  const more = archive([{ name: 'etc/again', typeflag: '1', linkname: 'tmp/two' }]);
  const tars = [archive(BASE), above, archive(LINKS), more];
  const ours = await unpackBoth(store, await imageOf(store, tars));
  const inode = fs.statSync(path.join(ours, 'etc/passwd'), { bigint: true });
  assert.equal(inode.nlink, 6n);
  assert.equal(fs.statSync(path.join(ours, 'etc/again'), { bigint: true }).ino, inode.ino);
});

test('a file of a lower layer that is linked and then removed has moved', async (t) => {
  if (!canCompare(t)) return;
  using store = await Store.open(fresh());
  const moved = archive([
    { name: 'etc/shadow', typeflag: '1', linkname: 'etc/passwd' },
    { name: 'etc/.wh.passwd' },
  ]);
  const ours = await unpackBoth(store, await imageOf(store, [archive(BASE), moved]));
  assert.deepEqual(fs.readdirSync(path.join(ours, 'etc')).sort(), ['alias', 'link', 'shadow']);
});

test('entries below a symbolic link of their own layer', async (t) => {
  if (!canCompare(t)) return;
  using store = await Store.open(fresh());
  const merged = archive([
    ...BASE,
    { name: 'lib/own', data: 'own', mtime: 5 },
    { name: 'lib/hard', typeflag: '1', linkname: 'lib/own' },
    { name: 'out', typeflag: '2', linkname: '../../../../usr', mtime: 6 },
    { name: 'out/lib/clipped', data: 'clipped', mtime: 7 },
  ]);
  const upper = archive([
    { name: 'sbin', typeflag: '2', linkname: '/usr/lib', mtime: 8 },
    { name: 'sbin/tool', data: 'tool', mtime: 9 },
    { name: 'sbin/.wh.libc' },
  ]);
  const ours = await unpackBoth(store, await imageOf(store, [merged, upper]));
  const want = ['clipped', 'hard', 'own', 'tool'];
  assert.deepEqual(fs.readdirSync(path.join(ours, 'usr/lib')).sort(), want);
});

test('an entry below a symbolic link of a lower layer replaces it, as on overlayfs', async (t) => {
  if (!requires(t, 'root')) return;
  using store = await Store.open(fresh());
  const image = await imageOf(store, [archive(BASE), archive([{ name: 'lib/x', data: 'x' }])]);
  const ours = fresh();
  await unpackImage(image, ours, store);
  assert(fs.lstatSync(path.join(ours, 'lib')).isDirectory());
  assert.deepEqual(fs.readdirSync(path.join(ours, 'usr/lib')), ['libc']);
});

test('a character device 0:0 is a device, and removes nothing', async (t) => {
  if (!canCompare(t)) return;
  using store = await Store.open(fresh());
  const device: ArchiveEntry = { name: 'etc/passwd', typeflag: '3', mode: 0, mtime: 5 };
  const tars = [archive(BASE), archive([device, { ...device, name: 'etc/new' }])];
  const ours = await unpackBoth(store, await imageOf(store, tars));
  for (const name of ['etc/passwd', 'etc/new']) {
    const { rdev } = fs.lstatSync(path.join(ours, name));
    assert(fs.lstatSync(path.join(ours, name)).isCharacterDevice() && rdev === 0);
  }
});
