import assert from 'node:assert/strict';
import fs from 'node:fs';

import { S_IFCHR, S_IFIFO, S_IFSOCK, XATTR_CREATE, XATTR_REPLACE } from '../../sys/constants.js';
import { mknodat } from '../../sys/directory.js';
import { fstatat, statfs } from '../../sys/stat.js';
import { getxattr, listxattr, removexattr, setxattr } from '../../sys/xattr.js';
import { asUser, fails, python, stamps, withFd, write, type Checks } from './scene.js';

function set(path: string, name: string, value: string, flags = 0): void {
  setxattr(path, name, Buffer.from(value), flags);
}

/** Extended attributes, ACLs, locks, special files, and the file system itself. */
export const SPECIALS: Checks = {
  'attributes are set, replaced, listed and removed': () => {
    write('f');
    set('f', 'user.a', '1');
    set('f', 'user.b', '');
    set('f', 'user.a', 'longer');
    assert.deepEqual(
      listxattr('f')
        .filter((name) => name.startsWith('user.'))
        .sort(),
      ['user.a', 'user.b'],
    );
    assert.equal(getxattr('f', 'user.a')?.toString(), 'longer');
    assert.equal(getxattr('f', 'user.b')?.length, 0);
    removexattr('f', 'user.a');
    assert.equal(getxattr('f', 'user.a'), undefined);
    fails('ENODATA', () => removexattr('f', 'user.a'));
  },
  'attributes are created or replaced only': () => {
    write('f');
    fails('ENODATA', () => set('f', 'user.a', 'x', XATTR_REPLACE));
    set('f', 'user.a', 'x', XATTR_CREATE);
    fails('EEXIST', () => set('f', 'user.a', 'y', XATTR_CREATE));
    set('f', 'user.a', 'z', XATTR_REPLACE);
    assert.equal(getxattr('f', 'user.a')?.toString(), 'z');
  },
  'attributes have names of up to 255 bytes, and of known kinds': () => {
    write('f');
    set('f', `user.${'n'.repeat(250)}`, 'x');
    fails('ERANGE', () => set('f', `user.${'n'.repeat(251)}`, 'x'));
    fails(['EOPNOTSUPP', 'ENOTSUP'], () => set('f', 'other.x', 'x'));
  },
  'a value that is too big is E2BIG': () => {
    write('f');
    fails('E2BIG', () => set('f', 'user.x', 'x'.repeat(65537)));
    set('f', 'user.x', 'x'.repeat(1000));
    assert.equal(getxattr('f', 'user.x')?.length, 1000);
  },
  'attributes of users are for files and directories': () => {
    fs.mkdirSync('d');
    set('d', 'user.x', 'x');
    fs.symlinkSync('none', 'l');
    mknodat(undefined, 'p', S_IFIFO | 0o644);
    for (const name of ['l', 'p']) fails('EPERM', () => set(name, 'user.x', 'x'));
    set('l', 'trusted.x', 'x');
    assert.equal(getxattr('l', 'trusted.x')?.toString(), 'x');
  },
  'others neither see nor set trusted attributes': () => {
    write('f');
    fs.chmodSync('f', 0o666);
    set('f', 'trusted.x', 'x');
    asUser(77, 77, () => {
      fails('EPERM', () => set('f', 'trusted.x', 'y'));
      assert.deepEqual(listxattr('f'), []);
    });
  },
  'setting an attribute changes the time of change': () => {
    write('f');
    stamps('f', 'ctime', () => set('f', 'user.x', 'x'));
    stamps('f', 'ctime', () => removexattr('f', 'user.x'));
  },
  'attributes belong to the file, not to the name': () => {
    write('f');
    fs.linkSync('f', 'g');
    set('f', 'user.x', 'x');
    assert.equal(getxattr('g', 'user.x')?.toString(), 'x');
    fs.renameSync('g', 'h');
    assert.equal(getxattr('h', 'user.x')?.toString(), 'x');
  },
  'capabilities are kept by chmod, lost by a write and a chown': () => {
    const capability = Buffer.from('0100000200200000000000000000000000000000', 'hex');
    const has = (): boolean => getxattr('f', 'security.capability') !== undefined;
    write('f', 'text');
    for (const [kept, change] of [
      [true, () => fs.chmodSync('f', 0o755)],
      [false, () => fs.appendFileSync('f', 'x')],
      [false, () => fs.truncateSync('f', 1)],
      [false, () => fs.chownSync('f', 1, 1)],
    ] as const) {
      setxattr('f', 'security.capability', capability);
      change();
      assert.equal(has(), kept, String(change));
    }
  },
  'an ACL lets in who it names, and chmod limits it': () =>
    python(`
import os, struct
def acl(*entries): return struct.pack('<I', 2) + b''.join(struct.pack('<HHI', *e) for e in entries)
NONE = 0xffffffff; A = 'system.posix_acl_access'
open('f', 'w').close(); os.chmod('f', 0o600)
a = acl((1, 6, NONE), (2, 4, 77), (4, 0, NONE), (16, 4, NONE), (32, 0, NONE))
os.setxattr('f', A, a); assert os.getxattr('f', A) == a and os.stat('f').st_mode & 0o777 == 0o640
def readable():
  if os.fork() == 0:
    os.setgroups([]); os.setgid(77); os.setuid(77)
    try: open('f').close()
    except OSError: os._exit(1)
    os._exit(0)
  return os.wait()[1] == 0
assert readable(); os.chmod('f', 0o600); assert not readable(); os.chmod('f', 0o640); assert readable()
os.removexattr('f', A); assert not readable()`),
  'a default ACL is inherited, and the umask is not asked': () =>
    python(`
import os, struct
def acl(*entries): return struct.pack('<I', 2) + b''.join(struct.pack('<HHI', *e) for e in entries)
NONE = 0xffffffff; D = 'system.posix_acl_default'
os.mkdir('d'); d = acl((1, 7, NONE), (2, 7, 77), (4, 5, NONE), (16, 7, NONE), (32, 0, NONE))
os.setxattr('d', D, d); os.umask(0o77); os.close(os.open('d/f', os.O_CREAT | os.O_WRONLY, 0o666)); os.mkdir('d/e')
assert os.getxattr('d/e', D) == d and os.stat('d/f').st_mode & 0o777 == 0o660, oct(os.stat('d/f').st_mode)
assert 'system.posix_acl_access' in os.listxattr('d/f')
open('x', 'w').close(); assert os.stat('x').st_mode & 0o777 == 0o600`),
  'mknod makes pipes, sockets and devices': () => {
    mknodat(undefined, 'p', S_IFIFO | 0o640);
    mknodat(undefined, 's', S_IFSOCK | 0o755);
    mknodat(undefined, 'c', S_IFCHR | 0o600, 1, 300);
    mknodat(undefined, 'zero', S_IFCHR | 0o600, 0, 0);
    assert.deepEqual([fs.lstatSync('p').mode, fs.lstatSync('s').mode], [0o010640, 0o140755]);
    const { rdevMajor, rdevMinor, mode } = fstatat(undefined, 'c') ?? {};
    assert.deepEqual([rdevMajor, rdevMinor, mode], [1, 300, 0o020600]);
    assert.deepEqual(fs.readdirSync('.').sort(), ['c', 'p', 's', 'zero']);
    fails('EEXIST', () => mknodat(undefined, 'p', S_IFIFO));
  },
  'a pipe carries what is written to it': () =>
    python(`
import os
os.mkfifo('p'); r = os.open('p', os.O_RDONLY | os.O_NONBLOCK); w = os.open('p', os.O_WRONLY)
os.write(w, b'text'); assert os.read(r, 9) == b'text'; os.unlink('p'); os.write(w, b'on'); assert os.read(r, 9) == b'on'`),
  'a socket is bound to a name': () =>
    python(`
import os, socket, stat
s = socket.socket(socket.AF_UNIX); s.bind('s'); s.listen(); assert stat.S_ISSOCK(os.stat('s').st_mode)
c = socket.socket(socket.AF_UNIX); c.connect('s'); c.send(b'x'); assert s.accept()[0].recv(1) == b'x'
os.rename('s', 't'); d = socket.socket(socket.AF_UNIX); d.connect('t')
try: os.open('t', os.O_RDONLY); assert False
except OSError as e: assert e.errno == 6, e`),
  'flock keeps others out': () =>
    python(`
import fcntl, os
a = open('f', 'w'); b = open('f'); fcntl.flock(a, fcntl.LOCK_EX)
try: fcntl.flock(b, fcntl.LOCK_SH | fcntl.LOCK_NB); assert False
except BlockingIOError: pass
fcntl.flock(a, fcntl.LOCK_SH); fcntl.flock(b, fcntl.LOCK_SH | fcntl.LOCK_NB); a.close(); fcntl.flock(b, fcntl.LOCK_EX | fcntl.LOCK_NB)`),
  'record locks keep other processes out of a range': () =>
    python(`
import fcntl, os
f = os.open('f', os.O_CREAT | os.O_RDWR); fcntl.lockf(f, fcntl.LOCK_EX, 10, 5)
if os.fork() == 0:
  fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB, 5, 0)
  try: fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 14)
  except OSError: os._exit(7)
  os._exit(0)
assert os.waitstatus_to_exitcode(os.wait()[1]) == 7; os.close(os.dup(f))
if os.fork() == 0: fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 14); os._exit(0)
assert os.wait()[1] == 0`),
  'locks of open files keep other open files out': () =>
    python(`
import fcntl, os, struct
def lock(fd, kind): fcntl.fcntl(fd, 37, struct.pack('hhqqi4x', kind, 0, 0, 0, 0))
a = os.open('f', os.O_CREAT | os.O_RDWR); b = os.open('f', os.O_RDWR); lock(a, fcntl.F_WRLCK)
try: lock(b, fcntl.F_RDLCK); assert False
except OSError as e: assert e.errno == 11, e
os.close(os.dup(a))
try: lock(b, fcntl.F_RDLCK); assert False
except OSError: pass
os.close(a); lock(b, fcntl.F_WRLCK)`),
  'statfs says what there is': () => {
    const { bsize, blocks, bfree, namelen } = statfs('.');
    assert(bsize > 0 && blocks > 0 && bfree <= blocks);
    assert.equal(namelen, 255);
  },
  'statfs of an unlinked file works': () => {
    write('f');
    withFd('f', 'r', (fd) => {
      fs.unlinkSync('f');
      python(`import os; assert os.statvfs('.').f_namemax == 255`);
      assert(statfs(`/proc/self/fd/${fd}`).bsize > 0);
    });
  },
};
