import assert from 'node:assert/strict';
import test from 'node:test';

import { byteNameOf } from '../../util/byte-name.js';
import { FUSE_ROOT_ID } from '../protocol/abi.js';
import type { DirEntry, Entry } from '../filesystem.js';
import { VirtualFileSystem, directory, file, type VirtualFile } from './virtual-filesystem.js';

const HELLO = byteNameOf('hello');

function list(fs: VirtualFileSystem, offset = 0, room = Infinity): Promise<[string, Entry?][]> {
  const listed: [string, Entry?][] = [];
  const add = ({ name }: DirEntry, lookup?: () => Entry): boolean => {
    if (listed.length >= room) return false;
    listed.push(lookup === undefined ? [name] : [name, lookup()]);
    return true;
  };
  return fs.readdir(FUSE_ROOT_ID, 0, offset, { plus: true, add }).then(() => listed);
}

test('VirtualFileSystem shows directories, files and links', async () => {
  const mtime = new Date(-1500);
  const fs = new VirtualFileSystem(
    directory({
      hello: file('grüße', { mode: 0o600, uid: 7, gid: 8, mtime }),
      sub: directory({ deep: file(Buffer.from([1, 2])) }),
      link: { kind: 'link', target: 'hello' },
    }),
  );
  const hello = await fs.lookup(FUSE_ROOT_ID, HELLO);
  assert.ok(hello);
  const { mode, size, uid, gid, nlink, mtimeSec, mtimeNsec } = hello.attr;
  assert.deepEqual([mode, size, uid, gid, nlink], [0o100600, 7, 7, 8, 1]);
  assert.deepEqual([mtimeSec, mtimeNsec], [-2, 500_000_000]);
  const into = Buffer.alloc(4);
  assert.equal(await fs.read({ nodeid: hello.nodeid, fh: 0, offset: 4 }, into), 3);
  assert.equal(into.toString('utf8', 0, 3), Buffer.from('grüße').toString('utf8', 4));
  const link = await fs.lookup(FUSE_ROOT_ID, byteNameOf('link'));
  assert.equal(fs.readlink(link?.nodeid ?? 0).toString(), 'hello');
  const sub = await fs.lookup(FUSE_ROOT_ID, byteNameOf('sub'));
  assert.equal((await fs.lookup(sub?.nodeid ?? 0, byteNameOf('deep')))?.attr.size, 2);
  assert.equal(await fs.lookup(FUSE_ROOT_ID, byteNameOf('none')), undefined);
  assert.deepEqual([fs.statfs().blocks, fs.statfs().namelen], [0, 255]);
});

test('VirtualFileSystem lists in pieces, with the numbers of its nodes', async () => {
  const fs = new VirtualFileSystem(directory({ a: file('1'), b: file('2'), c: file('3') }));
  const first = await list(fs, 0, 2);
  const rest = await list(fs, 2);
  assert.deepEqual(
    [...first, ...rest].map(([name]) => name),
    ['a', 'b', 'c'],
  );
  const b = await fs.lookup(FUSE_ROOT_ID, byteNameOf('b'));
  assert.equal(first[1]?.[1]?.nodeid, b?.nodeid);
});

test('VirtualFileSystem reads on after a short piece, and ends at an empty one', async () => {
  const pieces: VirtualFile = {
    kind: 'file',
    size: 10,
    read: (offset) => Promise.resolve(Buffer.from('abcdef').subarray(offset, offset + 2)),
  };
  const fs = new VirtualFileSystem(directory({ hello: pieces }));
  const { nodeid = 0 } = (await fs.lookup(FUSE_ROOT_ID, HELLO)) ?? {};
  const into = Buffer.alloc(20);
  assert.equal(await fs.read({ nodeid, fh: 0, offset: 1 }, into), 5);
  assert.equal(into.toString('latin1', 0, 5), 'bcdef');
});

test('VirtualFileSystem asks again, keeps numbers, and forgets', async () => {
  let size = 1;
  const fs = new VirtualFileSystem({
    kind: 'dir',
    list: () => ['hello'],
    find: () => (size < 0 ? undefined : file('x'.repeat(size))),
  });
  const before = await fs.lookup(FUSE_ROOT_ID, HELLO);
  size = 2;
  const after = await fs.lookup(FUSE_ROOT_ID, HELLO);
  assert.deepEqual([after?.nodeid, after?.attr.size], [before?.nodeid, 2]);
  fs.forget(before?.nodeid ?? 0, 2);
  assert.throws(() => fs.getattr(before?.nodeid ?? 0), { code: 'ESTALE' });
  size = -1;
  assert.equal(await fs.lookup(FUSE_ROOT_ID, HELLO), undefined);
});
