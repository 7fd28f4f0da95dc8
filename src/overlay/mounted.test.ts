import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import test, { type TestContext } from 'node:test';

import type { LayerId } from '../layer/types.js';
import { LayerFixture, type Shell } from '../testing/overlay-fixture.js';
import { runMounted } from '../testing/mounted.js';
import { requires, type Requirement } from '../testing/requires.js';

/*
 * Shell scripts against a mounted overlay: what has broken other FUSE overlays. The numbers are
 * those of the list of regressions in docs.
 */
function mounted(
  title: string,
  populate: (sh: Shell) => void,
  script: string,
  check: (result: {
    output: string;
    base: LayerId;
    upper: LayerId;
    fixture: LayerFixture;
  }) => Promise<void> | void = () => undefined,
  needs: readonly Requirement[] = [],
): void {
  test(title, async (t: TestContext) => {
    if (!requires(t, 'root', 'fuse', 'program:unshare', ...needs)) return;
    const fixture = new LayerFixture(t);
    const base = fixture.step([], populate);
    const { output, upper } = await runMounted(fixture, [base], script, { openFilesMax: 256 });
    await check({ output, base, upper, fixture });
  });
}

const PYTHON: readonly Requirement[] = ['program:python3'];
const BIG = Array.from({ length: 8 }, (_, i) => randomBytes(3_000_000 + i));
const SUMS = BIG.map((bytes) => createHash('sha256').update(bytes).digest('hex'));

mounted(
  'R1: lower files are read right under load',
  (sh) => {
    sh.write('/a.txt', 'text');
    for (const [i, bytes] of BIG.entries()) sh.write(`/big${i}`, bytes);
  },
  `
  for i in {1..100}; do [ "$(cat a.txt)" = text ]; done
  for w in 1 2 3 4; do (for i in {1..20}; do dd if=/dev/zero of=out$w.$i bs=64k count=8 status=none; done) & done
  for i in {0..7}; do sha256sum big$i > sum$i & done
  wait
  dd if=/dev/urandom of=direct1 bs=1M count=2 oflag=direct status=none &
  dd if=/dev/urandom of=direct2 bs=1M count=2 oflag=direct status=none & wait
  dd if=direct1 of=/dev/null bs=1M iflag=direct status=none
  [ $(stat -c %s direct1) = 2097152 ]
  cat sum?; ls out* | wc -l
  `,
  ({ output }) => {
    const want = SUMS.map((sum, i) => `${sum}  big${i}\n`).join('');
    assert.equal(output, `${want}80\n`);
  },
);

mounted(
  'R2: an unlinked file works until it is closed',
  (sh) => {
    sh.write('/lower', 'lower text');
    sh.mkdir('/dir');
  },
  `
  python3 - <<'END'
import ctypes, os, mmap, stat
linkat = ctypes.CDLL(None, use_errno=True).linkat
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
assert linkat(f, b'', -100, b'linked', 0x1000) == -1 and ctypes.get_errno() == 2
os.close(f)
f = os.open('lower', os.O_RDWR); os.unlink('lower'); assert os.read(f, 20) == b'lower text'
os.pwrite(f, b'L', 0); assert os.pread(f, 20, 0) == b'Lower text'; os.close(f)
f = os.open('copy', os.O_RDONLY); open('copy2', 'w').write('new'); os.rename('copy2', 'copy')
assert os.pread(f, 5, 0) == b'HELLO' and os.fstat(f).st_nlink == 0; os.close(f)
t = os.open('.', os.O_TMPFILE | os.O_RDWR, 0o600); os.write(t, b'tmp')
assert linkat(t, b'', -100, b'from-tmpfile', 0x1000) == 0; os.close(t)
assert open('from-tmpfile').read() == 'tmp'
END
  cd dir; rmdir ../dir; stat -c %h .; ls | wc -l; ! mkdir x 2>/dev/null; ! touch y 2>/dev/null; cd ..
  exec 3<>held; echo text >&3; rm held; cat /proc/self/fd/3
  `,
  async ({ output, fixture, base, upper }) => {
    assert.equal(output, '0\n0\ntext\n');
    const shown = await fixture.show([base, upper]);
    assert.deepEqual(shown.map((line) => line.split(' ')[0]).sort(), [
      '/',
      '/copy',
      '/from-tmpfile',
    ]);
  },
  PYTHON,
);

mounted(
  'R3: hard links are one file',
  (sh) => {
    sh.write('/low', 'low');
    sh.write('/gone', 'gone');
  },
  `
  echo 1 > a; ln a b; [ "$(stat -c '%i %h' a)" = "$(stat -c '%i %h' b)" ]; stat -c %h a
  echo 2 >> b; cat a; rm a; cat b; stat -c %h b; ln b a; chmod 600 a; stat -c %a b
  ln low low2; stat -c %h low; echo x >> low2; cat low; rm gone; ln low gone; stat -c %h low
  ! ln a b 2>/dev/null; mkdir d; ! ln d e 2>/dev/null
  `,
  ({ output }) => {
    assert.equal(output, '2\n1\n2\n1\n2\n1\n600\n2\nlowx\n3\n');
  },
);

mounted(
  'R3b: dpkg replaces its status file',
  (sh) => sh.write('/status', 'old'),
  'echo aaa>status-new; ln status status-old; mv status-new status; rm status-old; ls; cat status',
  ({ output }) => assert.equal(output, 'status\naaa\n'),
);

mounted(
  'R4: ls works, with attributes and inode numbers that agree',
  (sh) => {
    for (let i = 0; i < 500; i++) sh.write(`/f${i}`, 'x');
  },
  `
  ls | wc -l; ls -l | wc -l
  python3 -c "
import os
for e in os.scandir('.'): assert e.inode() == os.stat(e.name).st_ino, e.name"
  `,
  ({ output }) => assert.equal(output, '500\n501\n'),
  PYTHON,
);

mounted(
  'R5: failures have the errno that they should have',
  (sh) => {
    sh.mkdir('/d');
    sh.write('/d/f', '');
    sh.symlink('loop', '/loop');
  },
  `
  python3 - <<'END'
import os, errno
def fails(code, call, *args):
  try: call(*args)
  except OSError as e: assert e.errno == code, (call, args, e); return
  assert False, (call, args)
fails(errno.ENOENT, os.stat, 'none'); fails(errno.EEXIST, os.mkdir, 'd')
fails(errno.ENOTEMPTY, os.rmdir, 'd'); fails(errno.ENOTDIR, os.rmdir, 'd/f')
fails(errno.EISDIR, os.unlink, 'd'); fails(errno.ENOTDIR, os.stat, 'd/f/x')
fails(errno.ELOOP, os.stat, 'loop'); fails(errno.ENAMETOOLONG, open, 'x' * 256, 'w'); fails(errno.ENAMETOOLONG, os.stat, 'x' * 256)
open('x' * 255, 'w').close()
fails(errno.EINVAL, os.rename, 'd', 'd/e'); open('f', 'w').close(); fails(errno.EISDIR, os.rename, 'f', 'd'); fails(errno.ENOTDIR, os.rename, 'd', 'f')
fails(errno.EPERM, os.link, 'd', 'e'); fails(errno.ENODATA, os.getxattr, 'f', 'user.none')
os.setxattr('f', 'user.a', b'1', os.XATTR_CREATE)
fails(errno.EEXIST, os.setxattr, 'f', 'user.a', b'2', os.XATTR_CREATE)
fails(errno.ENODATA, os.setxattr, 'f', 'user.b', b'2', os.XATTR_REPLACE)
fails(errno.ENODATA, os.removexattr, 'f', 'user.b')
END
  `,
  undefined,
  PYTHON,
);

mounted(
  'R6: a removed directory is never listed',
  () => undefined,
  `
  for i in {1..300}; do mkdir yo; rmdir yo; [ -z "$(ls)" ]; done
  mkdir p; a=$(stat -c '%y %z %h' p); mkdir p/q; b=$(stat -c '%y %z %h' p); [ "$a" != "$b" ]
  stat -c %h p; rmdir p/q; stat -c %h p
  `,
  ({ output }) => assert.equal(output, '3\n2\n'),
);

mounted(
  'R7: all ways to open a file for writing',
  (sh) => sh.write('/lower', 'lower'),
  `
  python3 - <<'END'
import os
for flags in (0, os.O_EXCL, os.O_TRUNC, os.O_APPEND, os.O_SYNC, os.O_DIRECT, os.O_NOATIME, os.O_LARGEFILE if hasattr(os, 'O_LARGEFILE') else 0):
  fd = os.open('f%o' % flags, os.O_CREAT | os.O_RDWR | flags, 0o644)
  if not flags & os.O_DIRECT: os.write(fd, b'12345')
  os.close(fd)
fd = os.open('lower', os.O_WRONLY | os.O_TRUNC); os.close(fd); assert os.stat('lower').st_size == 0
a = os.open('app', os.O_CREAT | os.O_WRONLY | os.O_APPEND); b = os.open('app', os.O_WRONLY | os.O_APPEND)
for i in range(100): os.write(a, b'a'); os.write(b, b'b')
assert open('app').read() == 'ab' * 100
END
  : > lower2; [ -e lower2 ]
  `,
  undefined,
  PYTHON,
);

mounted(
  'R8: 256 descriptors are enough for many files',
  (sh) => {
    for (let d = 0; d < 100; d++) {
      sh.mkdir(`/d${d}`);
      for (let f = 0; f < 200; f++) sh.write(`/d${d}/f${f}`, `${d} ${f}`);
    }
    for (let i = 0; i < 300; i++) sh.write(`/big${i}`, Buffer.alloc(270_000, i));
  },
  `
  find . -type f | xargs stat -c %s | wc -l
  for i in {0..299}; do echo x >> big$i; done
  for i in {0..299}; do tail -c 1 big$i; done | sort | uniq -c
  `,
  ({ output }) => assert.match(output, /^20300\n\s+300 \n/),
);
