import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { byteName, nameBytes } from '../util/byte-name.js';
import {
  O_CREAT,
  O_EXCL,
  O_PATH,
  O_RDONLY,
  O_RDWR,
  RENAME_EXCHANGE,
  RENAME_NOREPLACE,
  RESOLVE_BENEATH,
  SEEK_DATA,
  SEEK_HOLE,
  SEEK_SET,
  S_IFIFO,
  S_IFMT,
} from './constants.js';
import { decodeDev, encodeDev } from './device-number.js';
import {
  fchmod,
  linkat,
  mkdirat,
  mknodat,
  readDir,
  readlinkat,
  renameat2,
  symlinkat,
  unlinkat,
  utimensat,
} from './directory.js';
import { Fd } from './fd.js';
import {
  copyFileRange,
  flock,
  fsync,
  ftruncate,
  lseek,
  openat,
  openat2,
  pread,
  preadFull,
  pwrite,
  tryOpenat,
} from './file.js';
import { fstat, fstatat, statfs } from './stat.js';
import { getxattr, listxattr, setxattr } from './xattr.js';

/** A directory that is removed at the end of the test. */
class TempDir implements Disposable {
  readonly path: string = mkdtempSync(join(tmpdir(), 'sys-test-'));
  readonly fd: Fd = openat(undefined, this.path, O_RDONLY);

  [Symbol.dispose](): void {
    this.fd.close();
    rmSync(this.path, { recursive: true });
  }
}

function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

test('Fd closes once, and not what was released', () => {
  const before = openDescriptors();
  const fd = openat(undefined, '/', O_RDONLY);
  fd.close();
  fd.close();
  assert.throws(() => fd.raw, /closed/);
  const moved = openat(undefined, '/', O_RDONLY);
  const raw = moved.release();
  moved.close();
  Fd.adopt(raw).close();
  {
    using _fd = openat(undefined, '/', O_RDONLY);
  }
  assert.equal(openDescriptors(), before);
});

test('a failure carries code, errno, call and path', () => {
  const want = { code: 'ENOENT', errno: -2, syscall: 'openat', path: '/no such' };
  assert.throws(() => openat(undefined, '/no such', O_RDONLY), want);
  assert.equal(tryOpenat(undefined, '/no such', O_RDONLY), undefined);
  assert.equal(fstatat(undefined, '/dev/null/x'), undefined);
});

test('a path with a NUL is EINVAL, as text and as bytes', () => {
  for (const path of ['/etc\0/passwd', Buffer.from('/etc\0')]) {
    assert.throws(() => openat(undefined, path, O_RDONLY), { code: 'EINVAL' });
  }
});

test('contents are written and read at positions', () => {
  using dir = new TempDir();
  using fd = openat(dir.fd, 'f', O_RDWR | O_CREAT | O_EXCL);
  pwrite(fd, Buffer.from('abcdef'), 10);
  const into = Buffer.alloc(20, 0xee);
  assert.equal(preadFull(fd, into, 8), 8);
  assert.deepEqual(into.subarray(0, 8), Buffer.from('\0\0abcdef'));
  assert.equal(pread(fd, into, 16), 0);
  ftruncate(fd, 3);
  fsync(fd);
  assert.equal(fstat(fd).size, 3);
  assert.equal(lseek(fd, 2, SEEK_SET), 2);
});

test('lseek() has no data behind the end', () => {
  using dir = new TempDir();
  using fd = openat(dir.fd, 'f', O_RDWR | O_CREAT);
  pwrite(fd, Buffer.from('x'), 0);
  assert.equal(lseek(fd, 0, SEEK_HOLE), 1);
  assert.equal(lseek(fd, 5, SEEK_DATA), undefined);
});

test('copyFileRange() copies between positions', () => {
  using dir = new TempDir();
  writeFileSync(join(dir.path, 'a'), '0123456789');
  using from = openat(dir.fd, 'a', O_RDONLY);
  using to = openat(dir.fd, 'b', O_RDWR | O_CREAT);
  const copied = copyFileRange({ from, fromOffset: 3, to, toOffset: 1, length: 4 });
  assert.equal(copied, 4);
  assert.equal(readFileSync(join(dir.path, 'b'), 'latin1'), '\x003456');
});

test('names are bytes', () => {
  using dir = new TempDir();
  const name = byteName(Buffer.from([0xff, 0x0a, 0x61]));
  mkdirat(dir.fd, nameBytes(name));
  symlinkat(Buffer.from([0xfe]), dir.fd, 'link');
  mknodat(dir.fd, 'fifo', S_IFIFO | 0o600);
  using listing = openat(dir.fd, '.', O_RDONLY);
  const entries = readDir(listing).sort((a, b) => (a.name < b.name ? -1 : 1));
  assert.deepEqual(
    entries.map((entry) => [entry.name, entry.type]),
    [
      ['fifo', 1],
      ['link', 10],
      [name, 4],
    ],
  );
  assert.equal(entries[0]?.ino, fstatat(dir.fd, 'fifo')?.ino);
  assert.deepEqual(readlinkat(dir.fd, 'link'), Buffer.from([0xfe]));
  unlinkat(dir.fd, nameBytes(name), { dir: true });
  assert.equal(fstatat(dir.fd, nameBytes(name)), undefined);
});

test('renameat2() obeys its flags', () => {
  using dir = new TempDir();
  writeFileSync(join(dir.path, 'a'), 'A');
  writeFileSync(join(dir.path, 'b'), 'B');
  assert.throws(() => renameat2(dir.fd, 'a', dir.fd, 'b', RENAME_NOREPLACE), { code: 'EEXIST' });
  renameat2(dir.fd, 'a', dir.fd, 'b', RENAME_EXCHANGE);
  assert.equal(readFileSync(join(dir.path, 'a'), 'utf8'), 'B');
});

test('times are set to the nanosecond, one at a time', () => {
  using dir = new TempDir();
  symlinkat('nowhere', dir.fd, 'l');
  utimensat(dir.fd, 'l', { mtime: { sec: -5, nsec: 123456789 } });
  utimensat(dir.fd, 'l', { atime: { sec: 0x1_0000_0000, nsec: 1 } });
  const stat = fstatat(dir.fd, 'l');
  assert.deepEqual([stat?.mtimeSec, stat?.mtimeNsec], [-5, 123456789]);
  assert.deepEqual([stat?.atimeSec, stat?.atimeNsec], [0x1_0000_0000, 1]);
});

test('fstat() counts links and has modes', () => {
  using dir = new TempDir();
  using fd = openat(dir.fd, 'f', O_RDWR | O_CREAT);
  fchmod(fd, 0o4711);
  linkat(dir.fd, 'f', dir.fd, 'g');
  const { mode, nlink, uid } = fstat(fd);
  assert.deepEqual([mode & ~S_IFMT, nlink, uid], [0o4711, 2, process.getuid?.()]);
});

test('openat2() does not leave the directory', () => {
  using dir = new TempDir();
  const how = { flags: O_RDONLY, resolve: RESOLVE_BENEATH };
  assert.throws(() => openat2(dir.fd, '../..', how), { code: 'EXDEV' });
  openat2(dir.fd, '.', how).close();
});

test('flock() tells of another holder', () => {
  using dir = new TempDir();
  using one = openat(dir.fd, 'lock', O_RDWR | O_CREAT);
  using other = openat(dir.fd, 'lock', O_RDWR);
  assert.ok(flock(one, 'exclusive', { wait: false }));
  assert.equal(flock(other, 'shared', { wait: false }), false);
  flock(one, 'unlock', { wait: false });
  assert.ok(flock(other, 'shared', { wait: true }));
});

test('attributes are read through descriptors, O_PATH too, and not through links', (t) => {
  using dir = new TempDir();
  writeFileSync(join(dir.path, 'f'), '');
  symlinkat('f', dir.fd, 'l');
  try {
    setxattr(join(dir.path, 'f'), 'user.a', Buffer.from([0, 255]));
  } catch (error) {
    t.skip(`no attributes here: ${String(error)}`);
    return;
  }
  using fd = openat(dir.fd, 'f', O_PATH);
  assert.deepEqual(listxattr(fd), ['user.a']);
  assert.deepEqual(getxattr(fd, 'user.a'), Buffer.from([0, 255]));
  assert.equal(getxattr(fd, 'user.b'), undefined);
  assert.deepEqual(listxattr(join(dir.path, 'l')), []);
});

test('statfs() gives sizes', () => {
  const { bsize, blocks, namelen } = statfs('/');
  assert.ok(bsize >= 512 && blocks > 0);
  assert.equal(namelen, 255);
});

test('device numbers have 12 bits of major, 20 of minor', () => {
  assert.equal(encodeDev(1, 3), 0x103);
  assert.equal(encodeDev(0xabc, 0xdef12), 0xdefabc12);
  assert.deepEqual(decodeDev(0xdefabc12), { major: 0xabc, minor: 0xdef12 });
});
