import { createHash, randomBytes } from 'node:crypto';

import { testRegressions } from '../testing/regressions.js';

const BIG = Array.from({ length: 8 }, (_, i) => randomBytes(3_000_000 + i));
const SUMS = BIG.map((bytes) => createHash('sha256').update(bytes).digest('hex'));

/* On an empty lower layer, and with few descriptors, as some of the reports have it. */
const OPTIONS = { base: (): void => undefined, openFilesMax: 256 };

testRegressions(
  'what other overlays were reported for',
  [
    {
      title: 'R1: lower files are read right under load',
      lower: (sh) => {
        sh.write('/a.txt', 'text');
        for (const [i, bytes] of BIG.entries()) sh.write(`/big${i}`, bytes);
      },
      script: `
      for i in {1..100}; do [ "$(cat a.txt)" = text ]; done
      for w in 1 2 3 4; do (for i in {1..20}; do dd if=/dev/zero of=out$w.$i bs=64k count=8 status=none; done) & done
      for i in {0..7}; do sha256sum big$i > sum$i & done
      wait
      dd if=/dev/urandom of=direct1 bs=1M count=2 oflag=direct status=none &
      dd if=/dev/urandom of=direct2 bs=1M count=2 oflag=direct status=none & wait
      dd if=direct1 of=/dev/null bs=1M iflag=direct status=none
      [ $(stat -c %s direct1) = 2097152 ]
      cat sum?; ls out* | wc -l`,
      want: `${SUMS.map((sum, i) => `${sum}  big${i}\n`).join('')}80\n`,
    },
    {
      title: 'R2: an unlinked file works until it is closed',
      lower: (sh) => {
        sh.write('/lower', 'lower text');
        sh.mkdir('/dir');
      },
      script: `
      python3 - <<'END'
from fstools import *
import mmap, stat
f = os.open('t', os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
os.unlink('t')
os.write(f, b'hello world')
assert os.fstat(f).st_nlink == 0
os.fchmod(f, 0o640); assert stat.S_IMODE(os.fstat(f).st_mode) == 0o640
os.fchown(f, 5, 6); assert os.fstat(f).st_uid == 5
os.utime(f, ns=(1, 123456789123456789)); assert os.fstat(f).st_mtime_ns == 123456789123456789
os.setxattr(f, 'user.x', b'v' * 2000); assert os.getxattr(f, 'user.x') == b'v' * 2000
os.ftruncate(f, 8192); assert os.fstat(f).st_size == 8192
os.lseek(f, 0, 0); assert os.read(f, 11) == b'hello world'
m = mmap.mmap(f, 8192); m[0:5] = b'HELLO'; m.flush(); m.close()
assert os.pread(f, 5, 0) == b'HELLO'
os.fsync(f)
os.posix_fallocate(f, 0, 100000); assert os.fstat(f).st_size == 100000
g = os.open('/proc/self/fd/%d' % f, os.O_RDWR); assert os.pread(g, 5, 0) == b'HELLO'; os.close(g)
h = os.open('copy', os.O_CREAT | os.O_RDWR); assert os.copy_file_range(f, h, 11, 0) == 11; os.close(h)
fails(errno.ENOENT, linkat, f, 'linked')
os.close(f)
f = os.open('lower', os.O_RDWR); os.unlink('lower'); assert os.read(f, 20) == b'lower text'
os.pwrite(f, b'L', 0); assert os.pread(f, 20, 0) == b'Lower text'; os.close(f)
f = os.open('copy', os.O_RDONLY); open('copy2', 'w').write('new'); os.rename('copy2', 'copy')
assert os.pread(f, 5, 0) == b'HELLO' and os.fstat(f).st_nlink == 0; os.close(f)
t = os.open('.', os.O_TMPFILE | os.O_RDWR, 0o600); os.write(t, b'tmp'); linkat(t, 'from-tmpfile'); os.close(t)
assert open('from-tmpfile').read() == 'tmp'
END
      cd dir; rmdir ../dir; stat -c %h .; ls | wc -l; no mkdir x; no touch y; cd ..
      exec 3<>held; echo text >&3; rm held; cat /proc/self/fd/3`,
      want: '0\n0\ntext\n',
      layer: ['-dir', '-lower', 'copy', 'from-tmpfile'],
    },
    {
      title: 'R3: hard links are one file',
      lower: (sh) => {
        sh.write('/low', 'low');
        sh.write('/gone', 'gone');
      },
      script: `
      echo 1 > a; ln a b; [ "$(stat -c '%i %h' a)" = "$(stat -c '%i %h' b)" ]; stat -c %h a
      echo 2 >> b; cat a; rm a; cat b; stat -c %h b; ln b a; chmod 600 a; stat -c %a b
      ln low low2; stat -c %h low; echo x >> low2; cat low; rm gone; ln low gone; stat -c %h low
      no ln a b; mkdir d; no ln -T d e`,
      want: '2\n1\n2\n1\n2\n1\n600\n2\nlowx\n3\n',
      layer: ['a', 'b', 'd/', 'gone', 'low', 'low2'],
    },
    {
      title: 'R4: ls works, with attributes and inode numbers that agree',
      lower: (sh) => {
        for (let i = 0; i < 500; i++) sh.write(`/f${i}`, 'x');
      },
      script: `
      ls | wc -l; ls -l | wc -l; rm f7; touch f500
      python3 -c "
import os
for e in os.scandir('.'): assert e.inode() == os.stat(e.name).st_ino, e.name"`,
      want: '500\n501\n',
      layer: ['-f7', 'f500'],
    },
    {
      title: 'R5: failures have the errno that they should have',
      lower: (sh) => {
        sh.mkdir('/d');
        sh.write('/d/f', '');
        sh.symlink('loop', '/loop');
      },
      script: `
      python3 - <<'END'
from fstools import *
fails(errno.ENOENT, os.stat, 'none'); fails(errno.EEXIST, os.mkdir, 'd')
fails(errno.ENOTEMPTY, os.rmdir, 'd'); fails(errno.ENOTDIR, os.rmdir, 'd/f')
fails(errno.EISDIR, os.unlink, 'd'); fails(errno.ENOTDIR, os.stat, 'd/f/x'); fails(errno.ELOOP, os.stat, 'loop')
fails(errno.ENAMETOOLONG, open, 'x' * 256, 'w'); fails(errno.ENAMETOOLONG, os.stat, 'x' * 256)
open('x' * 255, 'w').close()
fails(errno.EINVAL, os.rename, 'd', 'd/e'); open('f', 'w').close()
fails(errno.EISDIR, os.rename, 'f', 'd'); fails(errno.ENOTDIR, os.rename, 'd', 'f')
fails(errno.EPERM, os.link, 'd', 'e'); fails(errno.ENODATA, os.getxattr, 'f', 'user.none')
os.setxattr('f', 'user.a', b'1', os.XATTR_CREATE)
fails(errno.EEXIST, os.setxattr, 'f', 'user.a', b'2', os.XATTR_CREATE)
fails(errno.ENODATA, os.setxattr, 'f', 'user.b', b'2', os.XATTR_REPLACE)
fails(errno.ENODATA, os.removexattr, 'f', 'user.b')
END`,
      layer: ['f', 'x'.repeat(255)],
    },
    {
      title: 'R6: a removed directory is never listed',
      script: `
      for i in {1..300}; do mkdir yo; rmdir yo; [ -z "$(ls)" ]; done
      mkdir p; a=$(stat -c '%y %z %h' p); mkdir p/q; b=$(stat -c '%y %z %h' p); [ "$a" != "$b" ]
      stat -c %h p; rmdir p/q; stat -c %h p`,
      want: '3\n2\n',
      layer: ['p/'],
    },
    {
      title: 'R7: all ways to open a file for writing',
      lower: (sh) => sh.write('/lower', 'lower'),
      script: `
      python3 - <<'END'
import os
for flags in (0, os.O_EXCL, os.O_TRUNC, os.O_APPEND, os.O_SYNC, os.O_DIRECT, os.O_NOATIME, getattr(os, 'O_LARGEFILE', 0)):
  fd = os.open('f%o' % flags, os.O_CREAT | os.O_RDWR | flags, 0o644)
  if not flags & os.O_DIRECT: os.write(fd, b'12345')
  os.close(fd)
fd = os.open('lower', os.O_WRONLY | os.O_TRUNC); os.close(fd); assert os.stat('lower').st_size == 0
a = os.open('app', os.O_CREAT | os.O_WRONLY | os.O_APPEND); b = os.open('app', os.O_WRONLY | os.O_APPEND)
for i in range(100): os.write(a, b'a'); os.write(b, b'b')
assert open('app').read() == 'ab' * 100
d = os.open('.', os.O_RDONLY | os.O_DIRECTORY); os.fsync(d); os.fdatasync(d); os.fsync(a)
END
      : > lower2; [ -e lower2 ]`,
    },
    {
      title: 'R8: 256 descriptors are enough for many files',
      lower: (sh) => {
        for (let d = 0; d < 100; d++) {
          sh.mkdir(`/d${d}`);
          for (let f = 0; f < 200; f++) sh.write(`/d${d}/f${f}`, `${d} ${f}`);
        }
        for (let i = 0; i < 300; i++) sh.write(`/big${i}`, Buffer.alloc(270_000, i));
      },
      script: `
      find . -type f | xargs stat -c %s | wc -l
      for i in {0..299}; do echo x >> big$i; done
      for i in {0..299}; do tail -c 1 big$i; done | sort | uniq -c | sed 's/^ *//'`,
      want: '20300\n300 \n',
    },
  ],
  OPTIONS,
);
