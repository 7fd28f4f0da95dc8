import { testRegressions } from '../testing/regressions.js';

testRegressions('what programs do that breaks overlays', [
  {
    title: 'dpkg replaces its status file by a link and a rename (rk8s 160)',
    script: 'echo aaa > new; ln file old; mv new file; rm old; cat file; ls | grep -c file',
    want: 'aaa\n1\n',
    layer: ['file'],
  },
  {
    title: 'dpkg makes its backup where one was removed (fuse-overlayfs 476)',
    script:
      'rm -f other; ln file other; ls file other; echo new > n; mv n file; rm other; ln file other; cat other',
    want: 'file\nother\nnew\n',
  },
  {
    title: 'sed -i leaves no trace of its temporary name (fuse-overlayfs 327)',
    script: 'echo text > new; sed -i s/t/T/g new; sed -i s/lower/LOWER/ file; cat new file',
    want: 'TexT\nLOWER file\n',
    layer: ['file', 'new'],
  },
  {
    title: 'dnf renames a full directory over a removed one (toolbox 208)',
    script: `
    mkdir tmpdir; mkdir tmpdir/dir; echo x > tmpdir/dir/repomd; rm -rf dir
    python3 -c "import os; os.rename('tmpdir/dir', 'dir')"; rmdir tmpdir; ls dir`,
    want: 'repomd\n',
    layer: ['dir/!', 'dir/repomd'],
  },
  {
    title: 'rpm and rustup rename a lower directory, with the plain system call (rpm 2355)',
    script: `
    python3 -c "import os; os.rename('dir', 'dir.old'); os.mkdir('dir'); open('dir/db', 'w').close(); os.rename('dir.old/sub', 'dir/sub')"
    ls dir dir.old; rm -r dir.old; cat dir/sub/deep`,
    want: 'dir:\ndb\nsub\n\ndir.old:\na\nb\nthree\ndeep\n',
  },
  {
    title: 'a file that another process holds open can be read from there (fuse-overlayfs 175)',
    script: `
    echo held > held; sleep 60 3<>held & pid=$!; rm held; cat /proc/$pid/fd/3; echo more >> /proc/$pid/fd/3
    cat /proc/$pid/fd/3; kill $pid
    python3 -c "
import tempfile
with tempfile.TemporaryFile(dir='.') as f: f.write(b'x' * 300000); f.seek(0); assert len(f.read()) == 300000"`,
    want: 'held\nheld\nmore\n',
    layer: [],
  },
  {
    title: 'an unlinked file works to its end (rk8s, apt)',
    script: `
    python3 - <<'END'
from fstools import *
import mmap
for name in 't', 'file':
  f = os.open(name, os.O_CREAT | os.O_RDWR, 0o600); os.unlink(name); os.pwrite(f, b'hello world', 0)
  assert os.fstat(f).st_nlink == 0; os.fchmod(f, 0o640); os.fchown(f, 5, 6); os.utime(f, ns=(1, 2))
  s = os.fstat(f); assert (s.st_mode & 0o7777, s.st_uid, s.st_gid, s.st_mtime_ns) == (0o640, 5, 6, 2)
  os.setxattr(f, 'user.x', b'v' * 2000); assert os.getxattr(f, 'user.x') == b'v' * 2000
  os.ftruncate(f, 8192); m = mmap.mmap(f, 8192); m[0:5] = b'HELLO'; m.flush(); m.close(); os.fsync(f)
  os.posix_fallocate(f, 0, 100000); g = os.open('/proc/self/fd/%d' % f, os.O_RDWR)
  assert os.pread(g, 11, 0) == b'HELLO world' and os.fstat(g).st_size == 100000
  os.lseek(f, 0, 0); h = os.open('copy', os.O_CREAT | os.O_RDWR); assert os.copy_file_range(f, h, 11) == 11
  fails(errno.ENOENT, linkat, f, 'linked'); os.close(f); os.close(g); os.close(h)
END
    cat copy`,
    want: 'HELLO world',
    layer: ['-file', 'copy'],
  },
  {
    title: 'O_TMPFILE makes files that get a name, once',
    script: `
    python3 - <<'END'
from fstools import *
t = os.open('dir', os.O_TMPFILE | os.O_RDWR, 0o640); os.write(t, b'text'); assert os.fstat(t).st_nlink == 0
linkat(t, 'dir/named'); assert os.fstat(t).st_nlink == 1; fails(errno.EEXIST, linkat, t, 'file')
linkat(t, 'again'); os.unlink('again'); os.unlink('dir/named'); fails(errno.ENOENT, linkat, t, 'x')
x = os.open('.', os.O_TMPFILE | os.O_WRONLY | os.O_EXCL); fails(errno.ENOENT, linkat, x, 'y')
u = os.open('.', os.O_TMPFILE | os.O_RDWR); os.write(u, b'kept'); linkat(u, 'kept')
END
    cat kept; ls dir`,
    want: 'kepta\nb\nsub\nthree\n',
  },
  {
    title: 'two append to one file, line by line',
    script: `
    for w in a b; do (for i in {1..200}; do echo $w >> log; done) & done; wait; sort log | uniq -c | sed 's/^ *//'
    python3 - <<'END'
import os
a = os.open('big', os.O_WRONLY | os.O_APPEND); b = os.open('big', os.O_WRONLY | os.O_APPEND)
for i in range(100): os.write(a, b'A'); os.write(b, b'B')
os.pwrite(a, b'x', 0); assert open('big', 'rb').read()[-201:] == b'AB' * 100 + b'x'
END`,
    want: '200 a\n200 b\n',
  },
  {
    title: 'a mapping outlives its descriptor and a listing (bindfs 159)',
    script: `
    python3 - <<'END'
import mmap, os
f = os.open('big', os.O_RDONLY); m = mmap.mmap(f, 0, flags=mmap.MAP_PRIVATE); os.close(f); os.listdir('.')
m[299999:300000] = b'x'; assert m[0:1] == b'b'
os.truncate('big', 300000); os.unlink('big'); assert m[200000:200001] == b'b'
END`,
    layer: ['-big'],
  },
  {
    title: 'large direct writes are read back (rk8s 159)',
    script: `
    dd if=/dev/urandom of=d1 bs=1M count=3 oflag=direct status=none & dd if=/dev/urandom of=d2 bs=1M count=3 oflag=direct status=none & wait
    cp d1 c1; cat d2 > c2; cmp d1 c1; cmp d2 c2; dd if=d1 bs=1M iflag=direct status=none | cmp - c1`,
  },
  {
    title: 'a program runs from the upper and from a lower layer, and is not written to meanwhile',
    lower: (sh) => sh.write('/prog', '#!/bin/sh\necho lower "$1"\n', 0o755),
    script: `
    ./prog 1; sed -i s/lower/upper/ prog; ./prog 2; cp /bin/sleep .; ./sleep 60 & sleep 0.1
    no sh -c 'echo x >> sleep'; kill $!; wait $! || true; echo x >> sleep; rm sleep`,
    want: 'lower 1\nupper 2\n',
  },
  {
    title: 'locks keep others out',
    script: `
    exec 3>lock; flock -n 3; no flock -n lock true; exec 3>&-; flock -n lock true; python3 - <<'END'
import fcntl, os
f = os.open('file', os.O_RDWR); fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB, 3, 2)
if os.fork() == 0:
  g = os.open('file', os.O_RDWR); fcntl.lockf(g, fcntl.LOCK_EX | fcntl.LOCK_NB, 2, 0)
  try: fcntl.lockf(g, fcntl.LOCK_EX | fcntl.LOCK_NB, 3, 1)
  except OSError: os._exit(7)
  os._exit(0)
assert os.waitstatus_to_exitcode(os.wait()[1]) == 7
END
    rm lock`,
    layer: [],
  },
  {
    title: 'statfs answers, also of an unlinked file',
    script: `
    python3 - <<'END'
import os
f = os.open('t', os.O_CREAT | os.O_RDWR); os.unlink('t')
for s in os.fstatvfs(f), os.statvfs('.'): assert s.f_blocks > 0 and s.f_namemax == 255 and s.f_bsize > 0
END`,
    layer: [],
  },
  {
    title: 'files in two directories keep apart (fuse-overlayfs 359, 376)',
    lower: [(sh) => sh.mkdir('/x'), (sh) => sh.mkdir('/y')],
    script: `
    touch x/f y/f; [ "$(stat -c %i x/f)" != "$(stat -c %i y/f)" ]; [ $(stat -c %i x) != $(stat -c %i y) ]
    python3 -c "
import os
seen = {}
for root, dirs, files in os.walk('.'):
  for n in dirs + files: s = os.lstat(root + '/' + n); assert s.st_nlink > 1 or s.st_ino not in seen; seen[s.st_ino] = 1"`,
    want: '',
  },
]);
