import assert from 'node:assert/strict';
import fs from 'node:fs';

import { O_RDWR, O_TMPFILE } from '../../sys/constants.js';
import { linkat, utimensat } from '../../sys/directory.js';
import { Fd } from '../../sys/fd.js';
import { getxattr, setxattr } from '../../sys/xattr.js';
import {
  fails,
  inoOf,
  modeOf,
  nlinkOf,
  python,
  text,
  withFd,
  write,
  type Checks,
} from './scene.js';

const { O_CREAT, O_EXCL, O_RDONLY, O_WRONLY, O_TRUNC, O_APPEND, O_DIRECTORY, O_NOFOLLOW } =
  fs.constants;

/** Works with a file that has no name any more. */
function withUnlinked(use: (fd: number) => void): void {
  write('f', 'hello world');
  withFd('f', 'r+', (fd) => {
    fs.unlinkSync('f');
    use(fd);
  });
}

/** Lends a descriptor to calls of ours. */
function lend(fd: number, use: (fd: Fd) => void): void {
  const lent = Fd.adopt(fd);
  try {
    use(lent);
  } finally {
    lent.release();
  }
}

/** Making, opening, removing and using files without a name. */
export const FILES: Checks = {
  'create makes an empty file of its mode': () => {
    fs.closeSync(fs.openSync('f', O_CREAT | O_WRONLY, 0o640));
    const { mode, size, nlink, uid, gid } = fs.statSync('f');
    assert.deepEqual([mode, size, nlink, uid, gid], [0o100640, 0, 1, 0, 0]);
  },
  'create with O_EXCL fails where something is': () => {
    write('f');
    fs.symlinkSync('none', 'l');
    fs.mkdirSync('d');
    for (const name of ['f', 'l', 'd']) {
      fails('EEXIST', () => fs.openSync(name, O_CREAT | O_EXCL | O_WRONLY));
    }
  },
  'create follows a dangling symlink': () => {
    fs.symlinkSync('target', 'l');
    write('l', 'x');
    assert.equal(text('target'), 'x');
  },
  'open of a directory for writing is EISDIR': () => {
    fs.mkdirSync('d');
    fails('EISDIR', () => fs.openSync('d', O_WRONLY));
    fails('EISDIR', () => fs.openSync('d', O_CREAT | O_RDONLY));
  },
  'open with O_DIRECTORY of a file is ENOTDIR': () => {
    write('f');
    fails('ENOTDIR', () => fs.openSync('f', O_RDONLY | O_DIRECTORY));
  },
  'open with O_NOFOLLOW of a symlink is ELOOP': () => {
    fs.symlinkSync('f', 'l');
    fails('ELOOP', () => fs.openSync('l', O_RDONLY | O_NOFOLLOW));
  },
  'open with O_TRUNC empties a file': () => {
    write('f', 'text');
    withFd('f', O_WRONLY | O_TRUNC, (fd) => assert.equal(fs.fstatSync(fd).size, 0));
  },
  'a file made read-only can be written by its maker': () => {
    const fd = fs.openSync('f', O_CREAT | O_WRONLY, 0o400);
    fs.writeSync(fd, 'x');
    fs.closeSync(fd);
    assert.deepEqual([text('f'), modeOf('f')], ['x', 0o400]);
  },
  'a descriptor for reading writes nothing': () => {
    write('f', 'x');
    withFd('f', 'r', (fd) => fails('EBADF', () => fs.writeSync(fd, 'y')));
    withFd('f', O_WRONLY, (fd) => fails('EBADF', () => fs.readSync(fd, Buffer.alloc(1))));
  },
  'two descriptors of one file share its contents': () => {
    write('f', 'one');
    withFd('f', 'r', (a) =>
      withFd('f', 'r+', (b) => {
        fs.writeSync(b, 'two', 0);
        assert.equal(fs.readFileSync(a, 'latin1'), 'two');
      }),
    );
  },
  'duplicates of a descriptor share its position': () =>
    python(`
import os
f = os.open('f', os.O_CREAT | os.O_RDWR); g = os.dup(f); os.write(f, b'abc'); os.write(g, b'def')
os.lseek(g, 1, 0); assert os.read(f, 2) == b'bc' and os.read(g, 9) == b'def'
os.close(f); os.write(g, b'x'); os.close(g); assert open('f').read() == 'abcdefx'`),
  'unlink removes a name': () => {
    write('f');
    fs.unlinkSync('f');
    fails('ENOENT', () => fs.statSync('f'));
    fails('ENOENT', () => fs.unlinkSync('f'));
  },
  'unlink of a directory is EISDIR': () => {
    fs.mkdirSync('d');
    fails(['EISDIR', 'EPERM'], () => fs.unlinkSync('d'));
  },
  'unlink and create again makes another file': () => {
    write('f', 'old');
    withFd('f', 'r', (fd) => {
      fs.unlinkSync('f');
      write('f', 'new');
      assert.notEqual(fs.fstatSync(fd).ino, inoOf('f'));
      assert.equal(fs.readFileSync(fd, 'latin1'), 'old');
    });
  },
  'an unlinked file has no names and can be read and written': () =>
    withUnlinked((fd) => {
      assert.equal(fs.fstatSync(fd).nlink, 0);
      fs.writeSync(fd, 'HELLO', 0);
      assert.equal(fs.readFileSync(fd, 'latin1'), 'HELLO world');
    }),
  'an unlinked file can be changed: mode, owner, times, size': () =>
    withUnlinked((fd) => {
      fs.fchmodSync(fd, 0o606);
      fs.fchownSync(fd, 5, 6);
      fs.ftruncateSync(fd, 8192);
      fs.futimesSync(fd, 1, 2);
      const { mode, uid, gid, mtimeMs, size } = fs.fstatSync(fd);
      assert.deepEqual([mode & 0o777, uid, gid, mtimeMs, size], [0o606, 5, 6, 2000, 8192]);
    }),
  'an unlinked file has attributes': () =>
    withUnlinked((fd) =>
      lend(fd, (lent) => {
        setxattr(lent, 'user.x', Buffer.from('value'));
        assert.equal(getxattr(lent, 'user.x')?.toString(), 'value');
        utimensat(lent, '', { mtime: { sec: 5, nsec: 6 } });
        assert.equal(fs.fstatSync(fd, { bigint: true }).mtimeNs, 5_000_000_006n);
      }),
    ),
  'an unlinked file can be opened again through /proc': () =>
    withUnlinked((fd) => {
      withFd(`/proc/self/fd/${fd}`, 'r+', (again) => {
        fs.writeSync(again, 'J', 0);
        assert.equal(fs.fstatSync(again).ino, fs.fstatSync(fd).ino);
      });
      assert.equal(fs.readFileSync(fd, 'latin1'), 'Jello world');
    }),
  'an unlinked file gets no new name': () =>
    withUnlinked((fd) =>
      lend(fd, (lent) => fails('ENOENT', () => linkat(lent, '', undefined, 'x'))),
    ),
  'an unlinked file can be mapped': () =>
    python(`
import mmap, os
f = os.open('f', os.O_CREAT | os.O_RDWR); os.unlink('f'); os.ftruncate(f, 8192)
m = mmap.mmap(f, 8192); m[4096:4100] = b'text'; m.flush(); assert os.pread(f, 4, 4096) == b'text'
os.close(f); assert m[4096:4100] == b'text'`),
  'an unlinked file can be synced': () =>
    withUnlinked((fd) => {
      fs.fsyncSync(fd);
      fs.fdatasyncSync(fd);
    }),
  'O_TMPFILE makes a file without a name': () => {
    fs.mkdirSync('d');
    withFd('d', O_TMPFILE | O_RDWR, (fd) => {
      fs.writeSync(fd, 'text');
      assert.equal(fs.fstatSync(fd).nlink, 0);
      assert.deepEqual(fs.readdirSync('d'), []);
    });
  },
  'a file of O_TMPFILE can get names': () => {
    withFd('.', O_TMPFILE | O_RDWR, (fd) =>
      lend(fd, (lent) => {
        fs.writeSync(fd, 'text');
        linkat(lent, '', undefined, 'f');
        linkat(lent, '', undefined, 'g');
        fails('EEXIST', () => linkat(lent, '', undefined, 'g'));
      }),
    );
    assert.deepEqual([text('f'), text('g'), nlinkOf('f')], ['text', 'text', 2]);
    assert.equal(inoOf('f'), inoOf('g'));
  },
  'O_TMPFILE with O_EXCL never gets a name': () =>
    withFd('.', O_TMPFILE | O_RDWR | O_EXCL, (fd) =>
      lend(fd, (lent) => fails('ENOENT', () => linkat(lent, '', undefined, 'f'))),
    ),
  'O_TMPFILE for reading only is EINVAL': () =>
    fails('EINVAL', () => fs.openSync('.', O_TMPFILE | O_RDONLY)),
  'a program that runs cannot be written to': () => {
    fs.copyFileSync('/bin/sleep', 'prog');
    fs.chmodSync('prog', 0o755);
    python(`
import errno, subprocess
p = subprocess.Popen(['./prog', '60'])
try: open('prog', 'r+b'); assert False
except OSError as e: assert e.errno == errno.ETXTBSY, e
finally: p.kill(); p.wait()
open('prog', 'r+b').close()`);
  },
  'a file that is open for writing cannot be run': () => {
    fs.copyFileSync('/bin/true', 'prog');
    fs.chmodSync('prog', 0o755);
    python(`
import errno, os, subprocess
f = os.open('prog', os.O_RDWR)
try: subprocess.run(['./prog']); assert False
except OSError as e: assert e.errno == errno.ETXTBSY, e
os.close(f); assert subprocess.run(['./prog']).returncode == 0`);
  },
  'O_APPEND writes at the end, whoever wrote before': () => {
    withFd('f', O_CREAT | O_WRONLY | O_APPEND, (a) =>
      withFd('f', O_WRONLY | O_APPEND, (b) => {
        for (let i = 0; i < 50; i++) {
          fs.writeSync(a, 'a');
          fs.writeSync(b, 'b');
        }
      }),
    );
    assert.equal(text('f'), 'ab'.repeat(50));
  },
  'O_DIRECT writes and reads': () =>
    python(`
import mmap, os
f = os.open('f', os.O_CREAT | os.O_RDWR | os.O_DIRECT); m = mmap.mmap(-1, 65536); m[:] = b'd' * 65536
assert os.pwrite(f, m, 4096) == 65536; n = mmap.mmap(-1, 65536); assert os.preadv(f, [n], 4096) == 65536
assert n[:] == m[:]; os.close(f); d = open('f', 'rb').read(); assert d == bytes(4096) + b'd' * 65536`),
};
