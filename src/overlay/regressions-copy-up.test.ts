import { S_IFCHR, S_IFIFO, S_IFSOCK } from '../sys/constants.js';
import { testRegressions } from '../testing/regressions.js';
import type { Shell } from '../testing/overlay-fixture.js';

function specials(sh: Shell): void {
  sh.mknod('/fifo', S_IFIFO | 0o640);
  sh.mknod('/sock', S_IFSOCK | 0o755);
  sh.mknod('/dev', S_IFCHR | 0o666, 0x103);
  for (const name of ['/fifo', '/sock', '/dev']) sh.utimes(name, 77, 78);
}

testRegressions('changes to lower files that overlays get wrong', [
  {
    title: 'mode, owner, times and attributes outlive a write',
    lower: (sh) => {
      sh.write('/p', 'p', 0o1640);
      sh.fs.setattr(
        sh.id('/p'),
        { uid: 7, gid: 8, killSuidgid: false },
        { uid: 0, gid: 0, pid: 1 },
      );
      sh.setxattr('/p', 'user.a', 'value');
      sh.utimes('/p', 1234, 56789);
    },
    script: `
    stat -c '%a %u:%g %Y %y' p | cut -c 1-48; touch -r p stamp; echo x >> p; touch -r stamp p; rm stamp
    stat -c '%a %u:%g %Y' p; python3 -c "import os; print(os.getxattr('p', 'user.a').decode())"`,
    want: '1640 7:8 1234 1970-01-01 00:20:34.000056789 +000\n1640 7:8 1234\nvalue\n',
  },
  {
    title: 'a chmod copies nothing of what else there is',
    script: `
    stat -c %Y file; chmod 600 file; stat -c '%a %Y %s' file; cat file; chmod u+s big; stat -c '%a %s' big`,
    want: '1000000\n600 1000000 11\nlower file\n4644 300000\n',
  },
  {
    title: 'a directory keeps what it is when something in it changes',
    lower: (sh) => {
      sh.mkdir('/d');
      sh.mkdir('/d/e');
      sh.write('/d/e/f', 'f');
      sh.chmod('/d', 0o3750);
      sh.setxattr('/d', 'user.a', 'value');
      for (const [name, sec] of [
        ['/d/e', 5],
        ['/d', 6],
      ] as const)
        sh.utimes(name, sec, 7);
    },
    script: `
    echo x >> d/e/f; stat -c '%n %a %Y' d d/e; python3 -c "import os; print(os.getxattr('d', 'user.a').decode())"`,
    want: 'd 3750 6\nd/e 755 5\nvalue\n',
  },
  {
    title: 'pipes, sockets, devices and symlinks can be changed',
    lower: specials,
    script: `
    chmod 600 fifo sock dev; chown 1:2 fifo; chown -h 3:4 link; touch -h -d @99 link; touch -d @98 dev
    stat -c '%n %F %a %u:%g %Y' fifo sock dev link`,
    want:
      'fifo fifo 600 1:2 77\nsock socket 600 0:0 77\ndev character special file 600 0:0 98\n' +
      'link symbolic link 777 3:4 99\n',
  },
  {
    title: 'O_TRUNC leaves nothing of a lower file',
    script: ': > big; stat -c %s big; printf abc > file; cat file',
    want: '0\nabc',
  },
  {
    title: 'a write in the middle leaves the rest',
    script: `
    printf X | dd of=big bs=1 seek=150000 conv=notrunc status=none; truncate -s 150003 big
    head -c 150000 big | tr -d b | wc -c; tail -c 3 big; echo; truncate -s 400000 big
    tail -c 249997 big | tr -d '\\0' | wc -c`,
    want: '0\nXbb\n0\n',
  },
  {
    title: 'two writers change one copy',
    script: `
    python3 - <<'END'
import os, threading
def write(c, at):
  fd = os.open('big', os.O_RDWR)
  for i in range(1000): os.pwrite(fd, c, at + 2 * i)
  os.close(fd)
threads = [threading.Thread(target=write, args=(c, at)) for c, at in ((b'x', 0), (b'y', 1))]
for t in threads: t.start()
for t in threads: t.join()
data = open('big', 'rb').read()
assert data == b'xy' * 1000 + b'b' * 298000
END`,
  },
  {
    title: 'a descriptor from before a write sees it, and so does a mapping',
    script: `
    python3 - <<'END'
import os, mmap
for name in 'file', 'big':
  old = os.open(name, os.O_RDONLY); view = mmap.mmap(old, 0, prot=mmap.PROT_READ)
  private = mmap.mmap(old, 0, flags=mmap.MAP_PRIVATE); private[1:2] = b'P'
  new = os.open(name, os.O_RDWR); os.pwrite(new, b'NEW', 0)
  assert os.pread(old, 3, 0) == b'NEW' and view[0:3] == b'NEW', name
  assert os.fstat(old).st_ino == os.fstat(new).st_ino == os.stat(name).st_ino
  shared = mmap.mmap(new, 0); shared[3:6] = b'MAP'; assert os.pread(old, 6, 0) == b'NEWMAP'
  assert private[1:2] == b'P' and os.pread(old, 2, 0) == b'NE'
END
    head -c 6 file`,
    want: 'NEWMAP',
  },
  {
    title: 'all names of a lower file show a change, with one number and count',
    script: `
    ino=$(stat -c %i one); echo more >> two; cat dir/three; stat -c %h one two dir/three
    [ $(stat -c %i two) = $ino ]; chmod 600 one; stat -c %a dir/three; ln two four; stat -c %h one; rm one
    stat -c %h two; cat four`,
    want: 'linked\nmore\n3\n3\n3\n600\n4\n3\nlinked\nmore\n',
  },
  {
    title: 'names of one lower file can be chowned, removed and linked again by many at once',
    script: `
    for i in {1..8}; do (for j in {1..20}; do ln one l$i.$j; chown $i:$j l$i.$j; rm l$i.$j; done) & done; wait
    stat -c %h one; rm two; ln one two; stat -c %h two dir/three; [ $(stat -c %i one) = $(stat -c %i two) ]`,
    want: '3\n3\n3\n',
  },
  {
    title: 'a link takes the place of a removed lower file',
    script:
      'rm other; ln file other; stat -c %h file; echo x >> other; cat file; no ln -T file dir; no ln -T dir d2',
    want: '2\nlower file\nx\n',
    layer: ['file', 'other'],
  },
  {
    title: 'a lower file without permissions can be read, changed and removed by root',
    lower: (sh) => sh.chmod('/file', 0),
    script: 'cat file; echo x >> file; stat -c %a file; rm -f file; no stat file',
    want: 'lower file\n0\n',
    layer: ['-file'],
  },
  {
    title: 'a read-only file gets a new attribute',
    lower: (sh) => sh.chmod('/file', 0o444),
    script: `
    python3 -c "import os; os.setxattr('file', 'user.x', b'v' * 4000); print(len(os.getxattr('file', 'user.x')))"
    stat -c %a file`,
    want: '4000\n444\n',
  },
  {
    title: 'a sparse lower file stays sparse',
    lower: (sh) => {
      sh.write('/sparse', 'head');
      sh.pwrite('/sparse', 'tail', 50_000_000);
    },
    script: `
    printf x | dd of=sparse bs=1 seek=25000000 conv=notrunc status=none; stat -c %s sparse
    tail -c 4 sparse; cp sparse copy; cmp sparse copy`,
    want: '50000004\ntail',
  },
  {
    title: 'a hole is made in a lower file',
    script: `
    python3 - <<'END'
from fstools import *
fd = os.open('big', os.O_RDWR)
fallocate(fd, 3, 4096, 8192); fallocate(fd, 1, 0, 1000000); fallocate(fd, 17, 290000, 20000)
assert os.fstat(fd).st_size == 300000
data = os.pread(fd, 400000, 0)
assert data == b'b' * 4096 + bytes(8192) + b'b' * (290000 - 12288) + bytes(10000)
fallocate(fd, 16, 299990, 20); assert os.fstat(fd).st_size == 300010
END`,
  },
  {
    title: 'copy_file_range copies from and to lower files, also without a name',
    script: `
    python3 - <<'END'
import os
a, b = os.open('big', os.O_RDONLY), os.open('file', os.O_RDWR)
os.unlink('big')
assert os.copy_file_range(a, b, 300000) == 300000
os.unlink('file'); assert os.fstat(b).st_size == 300000
c = os.open('copy', os.O_CREAT | os.O_RDWR)
assert os.copy_file_range(b, c, 100, 299950) == 50 and os.pread(c, 99, 0) == b'b' * 50
END`,
    layer: ['-big', '-file', 'copy'],
  },
]);
