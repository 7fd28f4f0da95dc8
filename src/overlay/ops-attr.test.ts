import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';

import type { Caller, SetAttr } from '../fuse/filesystem.js';
import { LayerFixture, Shell } from '../testing/overlay-fixture.js';
import { byteNameOf } from '../util/byte-name.js';
import { OverlayFileSystem } from './overlay-filesystem.js';

const ROOT: Caller = { uid: 0, gid: 0, pid: 1 };
const MEMBER: Caller = { uid: 1000, gid: 5, pid: 0 };
const STRANGER: Caller = { uid: 1000, gid: 1000, pid: 0 };

function open(t: TestContext): Shell {
  const fixture = new LayerFixture(t);
  const base = fixture.step([], (sh) => {
    sh.write('/f', 'text');
    sh.fs.setattr(sh.id('/f'), { gid: 5, killSuidgid: false }, ROOT);
    sh.mkdir('/d');
    sh.symlink('f', '/l');
    sh.mknod('/fifo', 0o10644);
  });
  const overlay = fixture.open([base], fixture.newId());
  t.after(() => overlay[Symbol.dispose]());
  return new Shell(new OverlayFileSystem(overlay));
}

const CTIME = { ctime: { sec: 1, nsec: 2 } };
/** The mode of a file of group 5, what is asked and by whom, and the mode that is left. */
const KILLED: readonly [string, number, SetAttr, Caller, number][] = [
  ['nothing, for a write by root', 0o6755, { killSuidgid: false }, ROOT, 0o6755],
  ['nothing, for a write', 0o6755, { killSuidgid: false }, STRANGER, 0o755],
  ['nothing, for a write by the group', 0o6745, { killSuidgid: false }, MEMBER, 0o2745],
  ['nothing, for a write by another group', 0o6745, { killSuidgid: false }, STRANGER, 0o745],
  ['a ctime, for a chown to nobody', 0o6755, { killSuidgid: false, ...CTIME }, ROOT, 0o755],
  ['a ctime, where sgid is no program', 0o6745, { killSuidgid: false, ...CTIME }, ROOT, 0o2745],
  ['an owner', 0o6755, { killSuidgid: true, uid: 1, ...CTIME }, ROOT, 0o755],
  ['an owner and a mode', 0o755, { killSuidgid: true, uid: 1, mode: 0o6755 }, ROOT, 0o6755],
  ['a size', 0o6755, { killSuidgid: true, size: 0 }, STRANGER, 0o755],
  ['a size, by root', 0o6755, { killSuidgid: false, size: 0 }, ROOT, 0o6755],
  ['times', 0o6755, { killSuidgid: false, mtime: 'now', ...CTIME }, STRANGER, 0o6755],
];

for (const [title, mode, change, caller, want] of KILLED) {
  test(`setattr(${title}) of mode ${mode.toString(8)} leaves ${want.toString(8)}`, (t) => {
    const sh = open(t);
    sh.chmod('/f', mode);
    const { mode: left } = sh.fs.setattr(sh.id('/f'), change, caller);
    assert.equal(left & 0o7777, want);
  });
}

test('a write by root of a user namespace clears set-id bits: the kernel says so', (t) => {
  const fixture = new LayerFixture(t);
  using overlay = fixture.open([], fixture.newId());
  const sh = new Shell(new OverlayFileSystem(overlay, { rootKeepsSetId: false }));
  sh.write('/f', 'text', 0o6755);
  sh.fs.setattr(sh.id('/f'), { killSuidgid: false }, ROOT);
  assert.equal(sh.stat('/f').mode & 0o7777, 0o755);
});

test('a write clears a strange sgid, also where it is no program', (t) => {
  const sh = open(t);
  const nodeid = sh.id('/f');
  const write = { nodeid, fh: 0, offset: 0, data: Buffer.from('x'), killSuidgid: true };
  sh.chmod('/f', 0o2764);
  sh.fs.write(write, MEMBER);
  assert.equal(sh.stat('/f').mode & 0o7777, 0o2764);
  sh.fs.write(write, STRANGER);
  assert.equal(sh.stat('/f').mode & 0o7777, 0o764);
});

test('a truncation to the same size leaves the time alone, as the kernel does', (t) => {
  const sh = open(t);
  sh.utimes('/f', 5, 6);
  sh.fs.setattr(sh.id('/f'), { size: 4, killSuidgid: false }, ROOT);
  assert.equal(sh.stat('/f').mtimeSec, 5);
  sh.fs.setattr(sh.id('/f'), { size: 3, killSuidgid: false }, ROOT);
  assert.notEqual(sh.stat('/f').mtimeSec, 5);
});

/** File, name, size of the value, and what setting it answers. */
const XATTRS: readonly [string, string, number, string | undefined][] = [
  ['/f', 'user.x', 0, undefined],
  ['/f', `user.${'n'.repeat(250)}`, 65536, undefined],
  ['/f', `user.${'n'.repeat(251)}`, 1, 'ERANGE'],
  ['/f', 'user.x', 65537, 'E2BIG'],
  ['/f', 'user.', 1, 'EINVAL'],
  ['/f', 'system.x', 1, 'EOPNOTSUPP'],
  ['/f', 'other.x', 1, 'EOPNOTSUPP'],
  ['/d', 'user.x', 1, undefined],
  ['/l', 'user.x', 1, 'EPERM'],
  ['/l', 'trusted.x', 1, undefined],
  ['/fifo', 'user.x', 1, 'EPERM'],
  ['/fifo', 'security.x', 1, undefined],
];

for (const [file, name, size, code] of XATTRS) {
  test(`setxattr(${file}, ${name.slice(0, 10)}, ${size}) answers ${code ?? 'success'}`, (t) => {
    const sh = open(t);
    const nodeid = sh.id(file);
    const value = Buffer.alloc(size, 1);
    const change = { nodeid, name: byteNameOf(name), value, flags: 0, killSgid: false };
    if (code === undefined) {
      sh.fs.setxattr(change);
      assert.deepEqual(sh.fs.getxattr(nodeid, change.name), value);
    } else {
      assert.throws(() => sh.fs.setxattr(change), { code });
    }
  });
}

test('xattrs of unknown kinds cannot be asked for, trusted ones are listed for root', (t) => {
  const sh = open(t);
  const nodeid = sh.id('/f');
  sh.setxattr('/f', 'trusted.a', '1');
  sh.setxattr('/f', 'user.a', '1');
  assert.deepEqual(sh.fs.listxattr(nodeid, ROOT), ['trusted.a', 'user.a']);
  assert.deepEqual(sh.fs.listxattr(nodeid, STRANGER), ['user.a']);
  assert.equal(sh.fs.getxattr(nodeid, byteNameOf('security.selinux')), undefined);
  assert.equal(sh.fs.getxattr(nodeid, byteNameOf('system.posix_acl_access')), undefined);
  assert.throws(() => sh.fs.getxattr(nodeid, byteNameOf('system.x')), { code: 'EOPNOTSUPP' });
});
