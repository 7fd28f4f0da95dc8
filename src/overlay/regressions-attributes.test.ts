import { testRegressions } from '../testing/regressions.js';

const AS_USER = (uid: number): string => `setpriv --reuid ${uid} --regid ${uid} --clear-groups`;

testRegressions('attributes that overlays get wrong', [
  {
    title: 'chown changes one id or both, of a link or of its file',
    script: `
    chown 5 file; chown :6 file; stat -c %u:%g file; chown -h 7:8 link; stat -c %u:%g link file
    chown 9:9 link; stat -c %u:%g link file; chown -R 1:2 dir; stat -c %u:%g dir/sub/deep`,
    want: '5:6\n7:8\n5:6\n7:8\n9:9\n1:2\n',
  },
  {
    title: 'each time is set alone, to now, or to the nanosecond',
    script: `
    python3 - <<'END'
import os, time
S = 10 ** 9
def times(p): s = os.lstat(p); return s.st_atime_ns, s.st_mtime_ns
os.utime('file', ns=(11, 22)); assert times('file') == (11, 22)
for path in 'file', 'dir', 'new':
  if path == 'new': open(path, 'w').close()
  for t in (-1, -S - 1, -86400 * 365 * 80 * S + 7, 2 ** 31 * S + 1, 2 ** 33 * S + 999999999):
    os.utime(path, ns=(t, t + 1)); assert times(path) == (t, t + 1), (path, t, times(path))
os.utime('link', ns=(5, 6), follow_symlinks=False); assert times('link') == (5, 6)
assert times('file')[0] > 6
before = time.time_ns() - 20_000_000; os.utime('other'); assert times('other')[1] >= before
END
    touch -a -d @5 other; touch -m -d @6 other; stat -c '%X %Y' other; touch -h -d @7 link; stat -c %Y link`,
    want: '5 6\n7\n',
  },
  {
    title: 'whoever may write may set the times to now, not to another time',
    script: `
    chmod 666 file; chmod 777 .; ${AS_USER(77)} touch file; no ${AS_USER(77)} touch -d @5 file
    chmod 644 other; no ${AS_USER(77)} touch other; chmod 755 .`,
  },
  {
    title: 'files belong to who makes them, in a set-gid directory to its group',
    script: `
    chmod 777 dir; ${AS_USER(1234)} sh -c 'touch dir/f; mkdir dir/d; ln -s x dir/l; mkfifo dir/p'
    chgrp 50 empty; chmod 2777 empty; ${AS_USER(1234)} sh -c 'touch empty/f; mkdir empty/d'
    stat -c '%U:%G %u:%g %a' dir/f dir/d dir/l dir/p empty/f empty/d | sed 's/.* \\([0-9]*:\\)/\\1/'
    ${AS_USER(1234)} sh -c 'umask 077; touch dir/private; mkdir dir/pd'; stat -c %a dir/private dir/pd`,
    want: '1234:1234 644\n1234:1234 755\n1234:1234 777\n1234:1234 644\n1234:50 644\n1234:50 2755\n600\n700\n',
  },
  {
    title: 'in a sticky directory only owners remove and rename',
    script: `
    chmod 1777 dir; touch dir/mine; chown 5:5 dir/mine; no ${AS_USER(6)} rm -f dir/mine
    no ${AS_USER(6)} mv dir/mine dir/x; no ${AS_USER(6)} mv dir/a dir/x; ${AS_USER(5)} mv dir/mine dir/x
    ${AS_USER(5)} rm dir/x; chmod 755 dir`,
  },
  {
    title: 'permissions are checked as everywhere',
    script: `
    chmod 600 file; no ${AS_USER(5)} cat file; no ${AS_USER(5)} touch dir/x; no ${AS_USER(5)} rm -f dir/a
    chmod 700 dir; no ${AS_USER(5)} cat dir/a; no ${AS_USER(5)} ls dir; no ${AS_USER(5)} chmod 777 other
    no ${AS_USER(5)} chown 5 other; no ${AS_USER(5)} setfattr -n user.x -v x other; chmod 4777 file
    [ -x file ]; chmod 600 file; no [ -x file ]; [ -w file ]; no ${AS_USER(5)} test -w file; chmod 755 dir`,
  },
  {
    title:
      'set-id bits outlive fchown and fchmod, and root writing, not others (fuse-overlayfs 127)',
    script: `
    python3 - <<'END'
import os
f = os.open('p', os.O_CREAT | os.O_WRONLY, 0o600); os.write(f, b'x' * 5000)
os.fchown(f, 0, 0); os.fchmod(f, 0o4755); os.close(f)
END
    stat -c %a p suid; echo x >> suid; stat -c %a suid; chmod 6777 suid
    ${AS_USER(5)} sh -c 'echo y >> suid'; stat -c %a suid; chmod 6777 p; ${AS_USER(5)} truncate -s 5 p; stat -c %a p
    chmod 6755 p; chown 3 p; stat -c %a p; chmod 2644 p; chown 4 p; stat -c %a p; chmod 6755 dir; chown 5 dir; stat -c %a dir`,
    want: '4755\n6755\n6755\n777\n777\n755\n2644\n6755\n',
  },
  {
    title: 'values of attributes of every size are kept, and listed',
    lower: (sh) => sh.setxattr('/file', 'user.old', 'old'),
    script: `
    python3 - <<'END'
from fstools import *
for size in (0, 1, 1024, 4096, 65536): os.setxattr('file', 'user.s%d' % size, b'v' * size)
fails(errno.E2BIG, os.setxattr, 'file', 'user.more', b'v' * 65537)
for size in (0, 1, 1024, 4096, 65536): assert os.getxattr('file', 'user.s%d' % size) == b'v' * size
os.removexattr('file', 'user.old'); fails(errno.ENODATA, os.getxattr, 'file', 'user.old')
os.setxattr('dir', 'trusted.x', b'x'); os.setxattr('link', 'trusted.y', b'y', follow_symlinks=False)
fails(errno.EPERM, os.setxattr, 'link', 'user.y', b'y', follow_symlinks=False)
os.setxattr('file', 'user.c', b'1', os.XATTR_CREATE); fails(errno.EEXIST, os.setxattr, 'file', 'user.c', b'2', os.XATTR_CREATE)
os.setxattr('file', 'user.c', b'3', os.XATTR_REPLACE); fails(errno.ENODATA, os.setxattr, 'file', 'user.d', b'4', os.XATTR_REPLACE)
print(sorted(os.listxattr('file')), os.listxattr('link', follow_symlinks=False))
END`,
    want: "['user.c', 'user.s0', 'user.s1', 'user.s1024', 'user.s4096', 'user.s65536'] ['trusted.y']\n",
  },
  {
    title: 'capabilities outlive chmod and a rename, not a write or chown',
    script: `
    python3 - <<'END'
import os
cap = bytes.fromhex('0100000200200000000000000000000000000000')
def has(p): return 'security.capability' in os.listxattr(p)
for change, kept in (
  (lambda: os.chmod('file', 0o755), True), (lambda: os.utime('file'), True),
  (lambda: open('file', 'a').write('x'), False), (lambda: os.truncate('file', 3), False),
  (lambda: os.chown('file', 5, -1), False), (lambda: os.rename('file', 'f2') or os.rename('f2', 'file'), True)):
  os.setxattr('file', 'security.capability', cap); change(); assert has('file') == kept, change
END`,
  },
  {
    title: 'a group of an ACL is listed, inherited and copied',
    script: `
    python3 - <<'END'
import os, struct
def acl(*entries): return struct.pack('<I', 2) + b''.join(struct.pack('<HHI', *e) for e in entries)
NONE = 0xffffffff
access = acl((1, 6, NONE), (2, 7, 1234), (4, 4, NONE), (16, 7, NONE), (32, 0, NONE))
os.setxattr('file', 'system.posix_acl_access', access)
assert os.getxattr('file', 'system.posix_acl_access') == access
assert os.stat('file').st_mode & 0o777 == 0o670, oct(os.stat('file').st_mode)
os.chmod('file', 0o640); mask = os.getxattr('file', 'system.posix_acl_access')[4 + 3 * 8:4 + 4 * 8]
assert struct.unpack('<HHI', mask)[1] == 4
default = acl((1, 7, NONE), (2, 7, 1234), (4, 5, NONE), (16, 7, NONE), (32, 0, NONE))
os.setxattr('dir', 'system.posix_acl_default', default)
os.umask(0o77); open('dir/new', 'w').close(); os.mkdir('dir/newdir')
assert os.getxattr('dir/newdir', 'system.posix_acl_default') == default
assert os.stat('dir/new').st_mode & 0o777 == 0o660, oct(os.stat('dir/new').st_mode)
assert 'system.posix_acl_access' in os.listxattr('dir/new')
END`,
  },
  {
    title: 'who owns a read-only file may remove it and change its mode (fuse-overlayfs 307)',
    lower: (sh) => {
      sh.mkdir('/home');
      sh.write('/home/f', 'f', 0o444);
      sh.write('/home/g', 'g', 0o444);
      for (const name of ['/home', '/home/f', '/home/g']) sh.chown(name, 5, 5);
    },
    script: `${AS_USER(5)} sh -c 'rm -f home/f; chmod u+w home/g; echo x >> home/g'; ls home; cat home/g`,
    want: 'g\ngx\n',
    layer: ['-home/f', 'home/', 'home/g'],
  },
]);
