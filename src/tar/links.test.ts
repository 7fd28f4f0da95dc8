import assert from 'node:assert/strict';
import test from 'node:test';

import { WHITEOUT, type LayerDir, type LayerNode } from '../layer/types.js';
import { archive, type ArchiveEntry } from '../testing/tar-archive.js';
import { dir, find, impliedOf, unpack } from '../testing/unpack-memory.js';
import type { ByteName } from '../util/byte-name.js';
import type { LowerFile } from './layer-tree.js';

test('directories that an archive has no entry for are implied', async () => {
  const { root } = await unpack(
    archive([
      { name: 'a/b/file' },
      dir('a/late/', 0o700),
      { name: 'said/inside' },
      dir('said/'),
      { name: '.wh.gone' },
      { name: 'gone/inside' },
      { name: 'hides/.wh..wh..opq' },
    ]),
  );
  assert.deepEqual(impliedOf(root), ['', 'a', 'a/b', 'hides']);
  const [gone, hides] = [find(root, 'gone'), find(root, 'hides')];
  // A whiteout takes the metadata of the lower directory away as well.
  assert(typeof gone === 'object' && gone.kind === 'dir' && gone.opaque);
  assert(typeof hides === 'object' && hides.kind === 'dir' && hides.opaque);
});

/** The lower layer: one file, said to have three names. */
const LOWER = archive([{ name: 'etc/passwd', data: 'root:x:0:0', mode: 0o640 }]);
const PASSWD_PATHS = ['etc/passwd', 'etc/alias', 'other/name'];

/** Unpacks a layer above one where etc/passwd has three names. */
async function unpackAbove(
  entries: readonly ArchiveEntry[],
): Promise<{ root: LayerDir; passwd: LayerNode; asked: string[] }> {
  const { root: lower } = await unpack(LOWER);
  const node = find(lower, 'etc/passwd') as LayerNode;
  const paths = PASSWD_PATHS.map((path) => path.split('/') as ByteName[]);
  const asked: string[] = [];
  const file = { node, paths };
  const findLower = (path: ByteName): LowerFile | undefined => {
    asked.push(path);
    return [...PASSWD_PATHS, 'symlink/passwd'].includes(path) ? file : undefined;
  };
  const { root } = await unpack(archive(entries), { findLower });
  return { root, passwd: node, asked };
}

test('a hard link to a lower file brings all its names into the layer', async () => {
  const { root, passwd, asked } = await unpackAbove([
    { name: 'new', typeflag: '1', linkname: './etc/passwd' },
    { name: 'newer', typeflag: '1', linkname: 'other/name' },
    { name: 'newest', typeflag: '1', linkname: 'new' },
    { name: 'newest', typeflag: '1', linkname: 'symlink/passwd' },
  ]);
  assert.deepEqual(asked, ['etc/passwd', 'other/name', 'symlink/passwd']);
  for (const name of ['new', 'newer', 'newest', ...PASSWD_PATHS]) {
    assert.equal(find(root, name), passwd, name);
  }
  assert.deepEqual(impliedOf(root), ['', 'etc', 'other']);
});

test('a lower file keeps only the names that the layer leaves it', async () => {
  const { root, passwd } = await unpackAbove([
    { name: 'moved', typeflag: '1', linkname: 'etc/passwd' },
    { name: 'etc/.wh.passwd' },
    { name: 'etc/alias', data: 'another file' },
    dir('other'),
    { name: 'other/.wh..wh..opq' },
  ]);
  assert.equal(find(root, 'moved'), passwd);
  assert.equal(find(root, 'etc/passwd'), WHITEOUT);
  assert.notEqual(find(root, 'etc/alias'), passwd);
  assert.equal(find(root, 'other/name'), undefined);
});

test('a hard link to what no layer has is refused', async () => {
  const link = { name: 'new', typeflag: '1' };
  for (const entries of [
    [{ ...link, linkname: 'absent' }],
    [{ name: 'etc/.wh.passwd' }, { ...link, linkname: 'etc/passwd' }],
    [{ name: '.wh.etc' }, { ...link, linkname: 'etc/passwd' }],
    // Below, `symlink` is one to etc: whose passwd is it?
    [{ name: 'etc/passwd' }, { ...link, linkname: 'symlink/passwd' }],
  ]) {
    await assert.rejects(unpackAbove(entries), { code: 'TSB_LAYER_INVALID', name: 'UserError' });
  }
  const alone = unpack(archive([{ ...link, linkname: 'etc/passwd' }]));
  await assert.rejects(alone, { code: 'TSB_LAYER_INVALID', name: 'LowerLinkError' });
});

const LINKS: readonly (readonly [what: string, link: string, target: string, leads: string])[] = [
  ['a relative link', 'lib', 'usr/lib', 'usr/lib'],
  ['an absolute link', 'var/lib', '/usr/lib', 'usr/lib'],
  ['a link that climbs out', 'a/b', '../../../../etc', 'etc'],
  ['a link to the root', 'a', '/', ''],
  ['a link through nothing', 'a/b', 'x/../../y', 'y'],
];
for (const [what, link, target, leads] of LINKS) {
  test(`an entry's path follows ${what} inside the layer`, async () => {
    const { root, files } = await unpack(
      archive([
        { name: link, typeflag: '2', linkname: target },
        { name: `${link}/x`, data: 'x' },
        { name: `${link}/y`, typeflag: '1', linkname: `${link}/x` },
        { name: `${link}/.wh.z` },
      ]),
    );
    const at = leads === '' ? '' : `${leads}/`;
    assert.equal(files(`${at}x`), 'x');
    assert.equal(find(root, `${at}y`), find(root, `${at}x`));
    assert.equal(find(root, `${at}z`), WHITEOUT);
    const itself = find(root, link);
    assert(typeof itself === 'object' && itself.kind === 'symlink');
  });
}

test('an entry replaces a symbolic link that is its own name', async () => {
  const { root } = await unpack(
    archive([
      { name: 'lib', typeflag: '2', linkname: 'usr/lib' },
      dir('lib/'),
      { name: 'lib/x' },
      { name: 'same', typeflag: '2', linkname: 'usr/lib' },
      { name: 'hard', typeflag: '1', linkname: 'same' },
    ]),
  );
  assert.equal(typeof find(root, 'lib/x'), 'object');
  assert.equal(find(root, 'usr'), undefined);
  assert.equal(find(root, 'hard'), find(root, 'same'));
});
