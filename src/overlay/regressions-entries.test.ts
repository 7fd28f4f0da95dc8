import { testRegressions } from '../testing/regressions.js';

testRegressions('directories that overlays get wrong', [
  {
    title: 'a removed directory is never listed',
    script: `
    for i in {1..200}; do mkdir yo; rmdir yo; no stat yo; done; ls`,
    want: 'big\ndir\nempty\nfile\nlink\none\nother\nsuid\ntwo\n',
  },
  {
    title: 'each change of entries changes the times and the count of a directory',
    script: `
    python3 - <<'END'
import os
def state(): s = os.stat('dir'); return s.st_mtime_ns, s.st_ctime_ns
last = state(); links = os.stat('dir').st_nlink; assert links == 3
for change in (
  lambda: os.mkdir('dir/d'), lambda: os.rmdir('dir/d'), lambda: open('dir/n', 'w').close(), lambda: os.unlink('dir/n'),
  lambda: os.rename('dir/a', 'dir/c'), lambda: os.link('dir/c', 'dir/d'), lambda: os.symlink('x', 'dir/l'),
  lambda: os.rename('dir/c', 'c'), lambda: os.mkfifo('dir/p'), lambda: os.rename('dir/sub', 'sub')):
  change(); now = state(); assert now[0] > last[0] and now[1] > last[1], change; last = now
assert os.stat('dir').st_nlink == 2
before = state(); open('dir/b', 'a').write('x'); os.chmod('dir/b', 0o600); assert state() == before
END`,
  },
  {
    title: 'names removed while they are listed are all found',
    script: `
    python3 - <<'END'
import os
os.mkdir('many')
for i in range(3000): open('many/%d' % i, 'w').close()
seen = set()
for e in os.scandir('many'):
  assert e.name not in seen and e.inode() == os.lstat('many/' + e.name).st_ino
  seen.add(e.name); os.unlink('many/' + e.name)
assert len(seen) == 3000, len(seen); os.rmdir('many')
END`,
    layer: [],
  },
  {
    title: 'names that stay are listed once while others come and go',
    lower: (sh) => {
      for (let i = 0; i < 1500; i++) sh.write(`/dir/low${i}`, '');
    },
    script: `
    python3 - <<'END'
import os
stay = set(os.listdir('dir')) | {'new%d' % i for i in range(1500)}
for i in range(1500): open('dir/new%d' % i, 'w').close(); open('dir/go%d' % i, 'w').close()
seen = []
for n, e in enumerate(os.scandir('dir')):
  seen.append(e.name)
  if n < 1500: os.unlink('dir/go%d' % n); open('dir/come%d' % n, 'w').close(); os.rename('dir/come%d' % n, 'dir/came%d' % n)
assert len(seen) == len(set(seen)), 'twice'
assert stay <= set(seen), stay - set(seen)
assert set(os.listdir('dir')) == stay | {'came%d' % i for i in range(1500)}
END`,
  },
  {
    title: 'a listing can be continued, and read again',
    lower: (sh) => {
      for (let i = 0; i < 500; i++) sh.write(`/dir/n${i}`, '');
    },
    script: `
    python3 - <<'END'
import ctypes, os
libc = ctypes.CDLL(None)
libc.opendir.restype = ctypes.c_void_p; libc.readdir.restype = ctypes.c_void_p; libc.telldir.restype = ctypes.c_long
libc.readdir.argtypes = libc.telldir.argtypes = libc.rewinddir.argtypes = [ctypes.c_void_p]
libc.seekdir.argtypes = [ctypes.c_void_p, ctypes.c_long]
d = libc.opendir(b'dir')
def next_name():
  e = libc.readdir(d)
  return e and ctypes.string_at(e + 19)
places = []
while True:
  at = libc.telldir(d); name = next_name()
  if not name: break
  places.append((at, name))
assert len(places) == len({n for _, n in places}) == 506, len(places)
os.unlink('dir/n7'); open('dir/late', 'w').close()
for at, name in places[::-37] + places[::53]:
  libc.seekdir(d, at); found = next_name(); assert found == name or name == b'n7', (name, found)
libc.rewinddir(d); names = []
while True:
  name = next_name()
  if not name: break
  names.append(name)
assert b'late' in names and b'n7' not in names and len(names) == 506
END`,
  },
  {
    title: 'every kind of file is listed as what it is, with its number',
    script: `
    mkfifo p; ln -s x l; mknod d c 1 3; python3 - <<'END'
import os, socket, stat
s = socket.socket(socket.AF_UNIX); s.bind('sock')
for e in os.scandir('.'):
  s = os.lstat(e.name); assert e.inode() == s.st_ino
  assert e.is_symlink() == stat.S_ISLNK(s.st_mode) and e.is_dir(follow_symlinks=False) == stat.S_ISDIR(s.st_mode)
END`,
  },
  {
    title: 'names of any bytes and of 255',
    script: `
    python3 - <<'END'
import os
names = [b'\\xff\\xfe', b'new\\nline', b'n' * 255, b'\\x01', 'ä'.encode(), b' ', b'-', b'\\\\']
for n in names: open(n, 'wb').write(n)
assert set(names) <= set(os.listdir(b'.')); os.mkdir(b'\\xff'); os.rename(b'new\\nline', b'\\xff/new\\nline')
assert open(b'\\xff/new\\nline', 'rb').read() == b'new\\nline'
END
    rm -f 'new
line' ' ' ./-`,
  },
  {
    title: 'a directory made where one was removed is empty',
    script: 'rm -r dir; mkdir dir; ls -a dir; stat -c %h dir; touch dir/a; ls dir',
    want: '.\n..\n2\na\n',
    layer: ['dir/!', 'dir/a'],
  },
  {
    title: 'a directory of removed names can be removed',
    script: 'rm -r dir/*; ls dir; rmdir dir; no stat dir',
    layer: ['-dir'],
  },
  {
    title: 'files take the place of directories, and directories of files',
    script: `
    rm -r dir; echo now a file > dir; rm file; mkdir file; touch file/x; rm link; mkdir -p link/deep
    cat dir; ls file link`,
    want: 'now a file\nfile:\nx\n\nlink:\ndeep\n',
    layer: ['dir', 'file/', 'file/x', 'link/', 'link/deep/'],
  },
  {
    title: 'sockets take the place of files, directories and sockets; archives have nothing there',
    lower: (sh) => sh.mknod('/sock', 0o140600),
    script: `
    python3 - <<'END'
import os, shutil, socket
def bind(path): s = socket.socket(socket.AF_UNIX); s.bind(path); s.listen()
os.unlink('file'); bind('file'); shutil.rmtree('dir'); bind('dir'); os.unlink('sock'); bind('sock')
bind('new'); bind('empty/new'); os.rename('empty/new', 'other'); os.unlink('two'); os.link('other', 'two')
END
    stat -c '%n %F %h' file dir sock new other two`,
    want:
      ['file', 'dir', 'sock', 'new'].map((name) => `${name} socket 1\n`).join('') +
      'other socket 2\ntwo socket 2\n',
  },
  {
    title: 'files take the place of directories in three layers',
    lower: [
      (sh) => {
        sh.rmRf('/dir');
        sh.write('/dir', 'file now');
      },
      (sh) => {
        sh.rm('/dir');
        sh.mkdir('/dir');
        sh.write('/dir/z', 'z');
      },
    ],
    script: 'ls dir; rm -r dir; no stat dir; mkdir dir; ls dir',
    want: 'z\n',
    layer: ['dir/!'],
  },
  {
    title: 'what a middle layer removed stays away (fuse-overlayfs 138)',
    lower: [
      (sh) => {
        sh.rmRf('/dir');
        sh.mkdir('/dir');
        sh.write('/dir/middle', 'middle');
      },
      (sh) => sh.rm('/file'),
      (sh) => sh.write('/dir/top', 'top'),
    ],
    script: 'ls dir; no stat file; touch dir/new; ls dir',
    want: 'middle\ntop\nmiddle\nnew\ntop\n',
    layer: ['dir/', 'dir/new'],
  },
  {
    title: 'a removed name hides nothing elsewhere (fuse-overlayfs 151)',
    lower: (sh) => {
      sh.write('/dir/sub/file', 'deep file');
      sh.write('/dir/file', 'dir file');
    },
    script: 'rm file dir/file; cat dir/sub/file; no stat file; no stat dir/file',
    want: 'deep file',
    layer: ['-dir/file', '-file', 'dir/'],
  },
  {
    title: 'a directory takes the place of a lower symlink (fuse-overlayfs 337)',
    lower: (sh) => sh.symlink('dir', '/dirlink'),
    script: 'ls dirlink/; rm dirlink; mkdir dirlink; ls dirlink; touch dirlink/x; ls dir dirlink',
    want: 'a\nb\nsub\nthree\ndir:\na\nb\nsub\nthree\n\ndirlink:\nx\n',
    layer: ['dirlink/', 'dirlink/x'],
  },
  {
    title: 'an opaque directory has no ghosts (fuse-overlayfs 306)',
    script: 'rm -r dir; mkdir -p dir/sub; mv dir/sub moved; ls dir moved',
    want: 'dir:\n\nmoved:\n',
    layer: ['dir/!', 'moved/'],
  },
  {
    title: 'a working directory that was removed is empty, and takes nothing',
    script: `
    cd dir; rm -r ../dir; stat -c %h .; ls -a | wc -l; no touch x; no mkdir y; no ln -s a b
    cd ..; mkdir -p n/m; cd n/m; rm -r ../../n; no touch x`,
    want: '0\n0\n',
    layer: ['-dir'],
  },
  {
    title: 'forgotten names come back with their numbers',
    script: `
    a=$(stat -c '%n %i %h' file dir dir/sub/deep one two); echo x >> dir/b; echo 2 > /proc/sys/vm/drop_caches
    find . > /dev/null; echo 2 > /proc/sys/vm/drop_caches
    [ "$a" = "$(stat -c '%n %i %h' file dir dir/sub/deep one two)" ]; cat dir/b`,
    want: 'b\nx\n',
  },
  {
    title: 'failures have their own errors',
    script: `
    ln -s loop loop; python3 - <<'END'
from fstools import *
deep = '/'.join(['d' * 200] * 21)
for code, call, *args in (
  (errno.ENOENT, os.stat, 'none'), (errno.ENOTDIR, os.stat, 'file/x'), (errno.ELOOP, os.stat, 'loop'),
  (errno.ENAMETOOLONG, os.stat, 'x' * 256), (errno.ENAMETOOLONG, os.mkdir, 'x' * 256), (errno.ENAMETOOLONG, os.stat, deep),
  (errno.EEXIST, os.mkdir, 'dir'), (errno.EEXIST, os.mkdir, 'link'), (errno.EEXIST, os.symlink, 'x', 'file'),
  (errno.ENOTEMPTY, os.rmdir, 'dir'), (errno.ENOTDIR, os.rmdir, 'file'), (errno.EISDIR, os.unlink, 'dir'),
  (errno.EISDIR, os.open, 'dir', os.O_WRONLY), (errno.ENOTDIR, os.open, 'file', os.O_DIRECTORY),
  (errno.ELOOP, os.open, 'link', os.O_NOFOLLOW), (errno.EINVAL, os.readlink, 'file'), (errno.EPERM, os.link, 'dir', 'x'),
  (errno.ENOENT, os.link, 'none', 'x'), (errno.EINVAL, os.truncate, 'file', -1), (errno.ENXIO, os.open, 'sock', os.O_RDONLY),
  (errno.EINVAL, os.rmdir, 'empty/.'), (errno.ENOTEMPTY, os.rmdir, 'dir/sub/..'), (errno.EBUSY, os.rename, '.', 'x')):
  if args == ['sock', os.O_RDONLY]: os.mknod('sock', 0o140600)
  fails(code, call, *args)
END
    rm loop sock`,
    layer: [],
  },
]);
