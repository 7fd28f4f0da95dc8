import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';

import { WHITEOUT } from '../layer/types.js';
import { hasCode } from '../util/errors.js';
import { byteNameOf } from '../util/byte-name.js';
import { LayerFixture, Shell } from '../testing/overlay-fixture.js';
import { OverlayFileSystem } from './overlay-filesystem.js';
import { Overlay, type OverlayOptions } from './overlay.js';

const CALLER = { uid: 7, gid: 8, pid: 1 };

function open(
  t: TestContext,
  populate: (sh: Shell) => void,
  options: Partial<OverlayOptions> = {},
): { sh: Shell; overlay: Overlay; fixture: LayerFixture } {
  const fixture = new LayerFixture(t);
  const base = fixture.step([], populate);
  const overlay = fixture.open([base], fixture.newId(), options);
  t.after(() => overlay[Symbol.dispose]());
  return { sh: new Shell(new OverlayFileSystem(overlay)), overlay, fixture };
}

function populate(sh: Shell): void {
  sh.mkdir('/d');
  sh.write('/d/f', 'f');
  sh.mkdir('/d/sub');
  sh.mkdir('/e');
  sh.write('/f', 'f');
  sh.write('/g', 'g');
  sh.write('/prog', 'prog', 0o6755);
  sh.setxattr('/prog', 'security.capability', 'cap');
  sh.write('/big', Buffer.alloc(300_000, 1), 0o6755);
  sh.utimes('/big', 5, 6);
}

/** Both names, and what the rename must answer. */
const RENAMES: readonly [string, string, number, string | undefined][] = [
  ['/none', '/x', 0, 'ENOENT'],
  ['/f', '/g', 0, undefined],
  ['/f', '/g', 1, 'EEXIST'],
  ['/f', '/new', 1, undefined],
  ['/f', '/new', 2, 'ENOENT'],
  ['/f', '/d', 0, 'EISDIR'],
  ['/d', '/f', 0, 'ENOTDIR'],
  ['/e', '/d', 0, 'ENOTEMPTY'],
  ['/d', '/e', 0, undefined],
  ['/d', '/d/sub/x', 0, 'EINVAL'],
  ['/d', '/d/sub', 2, 'EINVAL'],
  ['/d/sub', '/d', 2, 'EINVAL'],
  ['/d/sub', '/d', 0, 'ENOTEMPTY'],
  ['/f', '/f', 0, undefined],
  ['/f', '/d', 2, undefined],
  ['/f', '/x', 4, undefined],
  ['/f', '/g', 4, undefined],
  ['/f', '/f', 4, undefined],
  ['/d', '/x', 5, undefined],
  ['/f', '/g', 5, 'EEXIST'],
  ['/f', '/x', 6, 'EINVAL'],
  ['/f', '/g', 3, 'EINVAL'],
  ['/f', '/x', 8, 'EINVAL'],
  ['/f', `/${'n'.repeat(256)}`, 0, 'ENAMETOOLONG'],
];

for (const [from, to, flags, code] of RENAMES) {
  test(`rename(${from}, ${to.slice(0, 20)}, ${flags}) answers ${code ?? 'success'}`, (t) => {
    const { sh } = open(t, populate);
    const ino = sh.find(from)?.nodeid;
    if (code !== undefined) {
      assert.throws(
        () => sh.mv(from, to, flags),
        (error) => hasCode(error, code),
      );
      return;
    }
    sh.mv(from, to, flags);
    assert.equal(sh.find(to)?.nodeid, ino);
    assert.equal(sh.exists(from), from === to || (flags & 6) !== 0);
  });
}

test('RENAME_WHITEOUT leaves a device, and the layer has it under the old name', (t) => {
  const fixture = new LayerFixture(t);
  const base = fixture.step([], populate);
  const upper = fixture.step([base], (sh) => {
    sh.mknod('/null', 0o20644);
    sh.mv('/f', '/x', 4);
    sh.mv('/d', '/y', 4);
    const { mode, rdev } = sh.stat('/f');
    assert.deepEqual([mode, rdev, sh.read('/x')], [0o20000, 0, 'f']);
  });
  const { entries } = fixture.read(upper);
  for (const name of ['f', 'd', 'null']) {
    const entry = entries.get(byteNameOf(name));
    assert(entry !== undefined && entry !== WHITEOUT && entry.kind === 'special', name);
  }
});

test('rename() of one link onto another does nothing', (t) => {
  const { sh } = open(t, populate);
  sh.ln('/f', '/f2');
  sh.mv('/f', '/f2');
  assert(sh.exists('/f') && sh.exists('/f2') && sh.stat('/f').nlink === 2);
});

test('rename() moves a directory with all that lower layers have in it', (t) => {
  const { sh } = open(t, populate);
  const { nlink } = sh.stat('/');
  sh.mv('/d', '/e');
  assert.equal(sh.read('/e/f'), 'f');
  assert.equal(sh.stat('/').nlink, nlink - 1);
  assert.equal(sh.stat('/e').nlink, 3);
  assert.deepEqual(sh.ls('/e'), ['f', 'sub']);
});

test('copyUp() keeps the mtime, the owner and set-id bits', (t) => {
  const { sh } = open(t, populate);
  sh.pwrite('/big', 'x', 250_000);
  const { mode, mtimeSec, mtimeNsec, size } = sh.stat('/big');
  assert.deepEqual([mode & 0o7777, mtimeSec, mtimeNsec, size], [0o6755, 5, 6, 300_000]);
  const bytes = sh.readNode(sh.id('/big'));
  assert(bytes[249_999] === 1 && bytes[250_000] === 120 && bytes[299_999] === 1);
});

test('truncation to nothing copies nothing', (t) => {
  const { sh, overlay } = open(t, populate);
  sh.fs.setattr(sh.id('/big'), { size: 0, killSuidgid: false }, CALLER);
  assert.equal(sh.stat('/big').size, 0);

  assert.equal(overlay.commit().contentBytes, 0);
});

test('killSuidgid drops suid, sgid of a program and its capabilities', (t) => {
  const { sh } = open(t, populate);
  const nodeid = sh.id('/prog');
  sh.fs.write({ nodeid, fh: 0, offset: 0, data: Buffer.from('x'), killSuidgid: false });
  assert.equal(sh.stat('/prog').mode & 0o7777, 0o6755);
  sh.fs.write({ nodeid, fh: 0, offset: 0, data: Buffer.from('x'), killSuidgid: true });
  assert.equal(sh.stat('/prog').mode & 0o7777, 0o755);
  sh.chown('/prog', 1, 1);
  assert.deepEqual(sh.fs.listxattr(nodeid), []);
});

test('a set-gid directory hands down its group', (t) => {
  const { sh } = open(t, populate);
  sh.fs.setattr(sh.id('/d'), { gid: 99, killSuidgid: false }, CALLER);
  sh.chmod('/d', 0o2755);
  const at = { parent: sh.id('/d'), rdev: 0 };
  const dir = sh.fs.mkdir({ ...at, name: byteNameOf('x'), mode: 0o40755 }, CALLER);
  const file = sh.fs.create({ ...at, name: byteNameOf('y'), mode: 0o100644 }, 0, CALLER);
  assert.deepEqual([dir.attr.gid, dir.attr.mode, file.attr.gid], [99, 0o42755, 99]);
  assert.equal(file.attr.uid, 7);
});

test('readdir() shows what stays exactly once while names come and go', (t) => {
  const { sh } = open(t, (shell) => {
    for (let i = 0; i < 1000; i++) shell.write(`/l${i}`, '');
  });
  const seen: string[] = [];
  let offset = 0;
  for (let round = 0; ; round++) {
    let count = 0;
    sh.fs.readdir(1, 0, offset, {
      plus: false,
      add: (entry) => {
        if (count === 37) return false;
        count += 1;
        offset = entry.nextOffset;
        seen.push(entry.name);
        return true;
      },
    });
    if (count === 0) break;
    // Removes what was seen, and what was not; makes new names.
    for (const name of seen.slice(-37, -20)) if (name.startsWith('l')) sh.rm(`/${name}`);
    if (round < 20) sh.write(`/new${round}`, '');
  }
  assert.equal(new Set(seen).size, seen.length);
  const stayed = sh.ls('/').filter((name) => name.startsWith('l'));
  assert.deepEqual(
    stayed.filter((name) => !seen.includes(name)),
    [],
  );
  assert.equal(seen.filter((name) => name.startsWith('new')).length, 20);
});

test('readdir() counts a lookup only for what fits, and none for dots', (t) => {
  const { sh, overlay } = open(t, populate);
  sh.fs.readdir(1, 0, 0, {
    plus: true,
    add: (entry, lookup) => {
      if (entry.name === 'f') return false;
      lookup?.();
      return true;
    },
  });
  // The shell's own reference is one more.
  const counts = ['d', 'e', 'f'].map((n) => overlay.tree.node(sh.id(`/${n}`)).nlookup - 1);
  assert.deepEqual([...counts, overlay.tree.root.nlookup], [1, 1, 0, 0]);
});

test('readdir() tells no size of a file that the kernel knows', (t) => {
  const { sh } = open(t, populate);
  sh.write('/known', 'x');
  const told: string[] = [];
  sh.fs.readdir(1, 0, 0, {
    plus: true,
    add: ({ name }, lookup) => {
      if (lookup !== undefined) told.push(name);
      return true;
    },
  });
  assert(told.includes('d') && told.includes('f') && !told.includes('known'), told.join());
});

test('the mtime of a directory differs after each change of its entries', (t) => {
  const now = { sec: 1000, nsec: 999_999_998 };
  const { sh } = open(t, populate, { clock: () => now });
  const seen = new Set<string>();
  for (let i = 0; i < 10; i++) {
    sh.mkdir('/x');
    sh.rmdir('/x');
    const { mtimeSec, mtimeNsec } = sh.stat('/');
    assert(mtimeNsec < 1e9);
    seen.add(`${mtimeSec} ${mtimeNsec}`);
  }
  assert.equal(seen.size, 10);
});

test('contents beyond the limit of memory go to the pack', (t) => {
  const { sh, overlay } = open(t, populate, { memoryBytesMax: 100_000 });
  for (let i = 0; i < 100; i++) sh.write(`/m${i}`, Buffer.alloc(10_000, i));
  for (let i = 0; i < 100; i += 2) sh.pwrite(`/m${i}`, 'new', 3);
  for (let i = 0; i < 100; i++) {
    const want = Buffer.alloc(10_000, i);
    if (i % 2 === 0) want.write('new', 3);
    assert(sh.readNode(sh.id(`/m${i}`)).equals(want));
  }
  overlay.commit();
});

test('fallocate() allocates, keeps the size, punches and zeroes', (t) => {
  const { sh } = open(t, populate);
  for (const size of [10_000, 600_000]) {
    const file = `/a${size}`;
    sh.write(file, Buffer.alloc(size, 5));
    const nodeid = sh.id(file);
    const allocate = (mode: number, offset: number, length: number): void =>
      sh.fs.fallocate({ nodeid, fh: 0, offset, length, mode });
    allocate(1, 0, size * 2);
    assert.equal(sh.stat(file).size, size);
    allocate(3, 100, 1000);
    allocate(16, size - 10, 20);
    const bytes = sh.readNode(nodeid);
    assert.equal(bytes.length, size + 10);
    assert.deepEqual([bytes[99], bytes[100], bytes[1099], bytes[1100]], [5, 0, 0, 5]);
    assert.deepEqual([bytes[size - 11], bytes[size - 10]], [5, 0]);
    allocate(0, 0, size * 2);
    assert.equal(sh.stat(file).size, size * 2);
    assert.throws(() => allocate(8, 0, 4096), { code: 'EOPNOTSUPP' });
  }
});

test('copyFileRange() shares whole lower files and copies parts', (t) => {
  const { sh, overlay } = open(t, populate);
  sh.write('/copy', '');
  const [nodeidIn, nodeidOut] = [sh.id('/big'), sh.id('/copy')];
  const ends = { nodeidIn, fhIn: 0, offsetIn: 0, nodeidOut, fhOut: 0, offsetOut: 0 };
  assert.equal(sh.fs.copyFileRange({ ...ends, length: 2 ** 40 }), 300_000);
  sh.pwrite('/copy', 'x', 0);
  assert.equal(sh.readNode(nodeidIn)[0], 1);
  assert.equal(sh.fs.copyFileRange({ ...ends, offsetIn: 299_990, length: 100 }), 10);
  assert.equal(sh.readNode(nodeidOut)[0], 1);
  assert.equal(sh.fs.copyFileRange({ ...ends, offsetIn: 300_000, length: 100 }), 0);
  sh.write('/copy2', '');
  sh.fs.copyFileRange({ ...ends, nodeidOut: sh.id('/copy2'), length: 300_000 });
  assert.equal(overlay.commit().contentBytes, 300_000);
});

test('a directory that was removed takes nothing', (t) => {
  const { sh } = open(t, populate);
  const parent = sh.mkdir('/gone');
  sh.rmdir('/gone');
  const make = { parent, name: byteNameOf('x'), mode: 0o100644, rdev: 0 };
  assert.throws(() => sh.fs.mknod(make, CALLER), { code: 'ENOENT' });
  assert.equal(sh.fs.getattr(parent).nlink, 0);
  sh.fs.forget(parent, 1);
  assert.throws(() => sh.fs.getattr(parent), { code: 'ESTALE' });
});

test('nothing can be changed without an upper directory', (t) => {
  const fixture = new LayerFixture(t);
  const base = fixture.step([], populate);
  using overlay = fixture.open([base]);
  const sh = new Shell(new OverlayFileSystem(overlay));
  const attempts: (() => void)[] = [
    () => void sh.mkdir('/x'),
    () => sh.rm('/f'),
    () => sh.rmdir('/e'),
    () => sh.mv('/f', '/x'),
    () => sh.chmod('/f', 0),
    () => sh.pwrite('/f', 'x', 0),
    () => sh.ln('/f', '/x'),
    () => sh.setxattr('/f', 'user.x', 'x'),
  ];
  for (const attempt of attempts) assert.throws(attempt, { code: 'EROFS' });
  assert.equal(sh.read('/f'), 'f');
});

test('plain lower directories: whiteouts and opaque markers of every kind are understood', (t) => {
  const fixture = new LayerFixture(t);
  const dirs = ['base', 'upper'].map((name) => path.join(fixture.root, name));
  for (const dir of dirs) fs.mkdirSync(dir);
  const [base = '', upper = ''] = dirs;
  for (const name of ['a', 'b', 'c']) {
    fs.mkdirSync(path.join(base, name));
    fs.writeFileSync(path.join(base, name, 'x'), 'x');
  }
  fs.linkSync(path.join(base, 'a/x'), path.join(base, 'a/y'));
  fs.mkdirSync(path.join(upper, 'a'));
  fs.writeFileSync(path.join(upper, 'a/.wh.x'), '');
  fs.mkdirSync(path.join(upper, 'b'));
  fs.writeFileSync(path.join(upper, 'b/.wh..wh..opq'), '');
  fs.writeFileSync(path.join(upper, '.wh.c'), '');
  const lowers = [base, upper].map((dir) => ({ kind: 'plain', dir }) as const);
  const id = fixture.newId();
  using overlay = fixture.open([], id, { lowers });
  const sh = new Shell(new OverlayFileSystem(overlay));
  assert.deepEqual([sh.ls('/'), sh.ls('/a'), sh.ls('/b')], [['a', 'b'], ['y'], []]);
  assert.equal(sh.read('/a/y'), 'x');
  sh.chmod('/a/y', 0o600);
  assert.deepEqual(overlay.commit(), { changes: 1, contentBytes: 1 });
});

test('mount points are no part of the layer until somebody changes them', async (t) => {
  const fixture = new LayerFixture(t);
  const base = fixture.step([], (sh) => {
    sh.mkdir('/etc');
    sh.mkdir('/dev');
    sh.symlink('../run/resolv/stub.conf', '/etc/resolv.conf');
    sh.utimes('/', 5);
  });
  const synthetic = [
    { path: '/proc', kind: 'dir' },
    { path: '/dev', kind: 'dir' },
    { path: '/etc/resolv.conf', kind: 'file' },
    { path: '/etc/hosts', kind: 'file' },
  ] as const;
  const id = fixture.step(
    [base],
    (sh) => {
      assert(sh.exists('/proc') && sh.exists('/run/resolv/stub.conf') && sh.exists('/etc/hosts'));
      assert.equal(sh.stat('/').mtimeSec, 5);
    },
    { synthetic },
  );
  assert.equal(fixture.read(id).entries.size, 0);
  const changed = fixture.step(
    [base],
    (sh) => {
      sh.rm('/etc/hosts');
      sh.rmdir('/proc');
      sh.write('/run/resolv/x', 'x');
    },
    { synthetic },
  );
  const shown = (await fixture.show([base, changed])).map((line) => line.split(' ')[0]);
  const run = ['/run', '/run/resolv', '/run/resolv/x'];
  assert.deepEqual(shown, ['/', '/dev', '/etc', '/etc/resolv.conf', ...run]);
});

const FSXATTR_PROJECT = Buffer.alloc(28);
FSXATTR_PROJECT.writeUInt32LE(7, 12);
/** The command, its argument, and what comes of it: bytes or an error. */
const IOCTLS: readonly [string, number, Buffer, number | string][] = [
  ['FS_IOC_GETFLAGS', 0x80086601, Buffer.alloc(0), 4],
  ['FS_IOC_FSGETXATTR', 0x801c581f, Buffer.alloc(0), 28],
  ['FS_IOC_SETFLAGS to none', 0x40086602, Buffer.alloc(4), 0],
  ['FS_IOC_SETFLAGS to immutable', 0x40086602, Buffer.from([0x10, 0, 0, 0]), 'EOPNOTSUPP'],
  ['FS_IOC_SETFLAGS of too little', 0x40086602, Buffer.alloc(3), 'EINVAL'],
  ['FS_IOC_FSSETXATTR to none', 0x401c5820, Buffer.alloc(28), 0],
  ['FS_IOC_FSSETXATTR to a project', 0x401c5820, FSXATTR_PROJECT, 'EOPNOTSUPP'],
  ['TCGETS', 0x5401, Buffer.alloc(0), 'ENOTTY'],
];

for (const [title, command, argument, want] of IOCTLS) {
  test(`ioctl(${title}) answers ${want}`, (t) => {
    const { sh } = open(t, populate);
    const request = { nodeid: sh.id('/f'), fh: 0, command, argument, outSize: 64, flags: 0 };
    if (typeof want === 'number') {
      const answer = sh.fs.ioctl(request);
      assert(answer.length === want && answer.every((byte) => byte === 0));
      return;
    }
    assert.throws(
      () => sh.fs.ioctl(request),
      (error) => hasCode(error, want),
    );
  });
}
