import assert from 'node:assert/strict';
import test from 'node:test';

import { runMounted, type MountedOptions } from '../testing/mounted.js';
import { LayerFixture } from '../testing/overlay-fixture.js';
import { recheckLayers } from '../testing/recheck.js';
import { requires } from '../testing/requires.js';

/*
 * What programs and the kernel make of operations together, as on ext4: one Python script each,
 * which asserts, and what the layer has of it afterwards.
 */
const HELPERS = `
import ctypes, errno, os, stat
libc = ctypes.CDLL(None, use_errno=True)
libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_long, ctypes.c_long]
def call(result):
    return 0 if result >= 0 else errno.errorcode[ctypes.get_errno()]
def code(work, *args, **options):
    try: work(*args, **options)
    except OSError as error: return errno.errorcode[error.errno]
def mode(path):
    return oct(os.lstat(path).st_mode & 0o7777)
def run_as(uid, groups, work):
    pid = os.fork()
    if pid == 0:
        os.setgroups(groups); os.setgid(uid); os.setuid(uid)
        try: work()
        except OSError as error: os._exit(error.errno)
        finally: os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return errno.errorcode[status] if status else 0
`;

/** Shows the names of a layer that match. */
type Show = (name: RegExp) => Promise<string[]>;

function script(
  title: string,
  python: string,
  check?: (show: Show) => Promise<void>,
  options: MountedOptions = {},
): void {
  test(title, async (t) => {
    if (!requires(t, 'root', 'fuse', 'program:unshare', 'program:python3')) return;
    const fixture = new LayerFixture(t);
    const base = fixture.step([], (sh) => {
      sh.chmod('/', 0o777);
      sh.write('/lower', 'lower text', 0o644);
      sh.write('/big', Buffer.alloc(600_000, 1));
      sh.mkdir('/dir');
    });
    const text = `python3 - <<'END'\n${HELPERS}${python}END`;
    const { upper } = await runMounted(fixture, [base], text, options);
    const show: Show = async (name) =>
      (await fixture.show([base, upper])).filter((line) => name.test(line));
    await check?.(show);
    await recheckLayers(fixture, [base, upper]);
  });
}

script(
  'O_TMPFILE makes a file that linkat() names',
  `
def tmpfile(flags=0):
    file = os.open('dir', os.O_TMPFILE | os.O_RDWR | flags, 0o640)
    os.write(file, b'text')
    assert os.fstat(file).st_nlink == 0
    return file
a, b, c = tmpfile(), tmpfile(), tmpfile(os.O_EXCL)
assert call(libc.linkat(-100, b'/proc/self/fd/%d' % a, -100, b'dir/a', 0x400)) == 0
assert call(libc.linkat(b, b'', -100, b'dir/b', 0x1000)) == 0
assert call(libc.linkat(c, b'', -100, b'dir/c', 0x1000)) == 'ENOENT'
assert [os.fstat(x).st_nlink for x in (a, b, c)] == [1, 1, 0]
assert os.listdir('dir') == ['a', 'b'] and open('dir/a').read() == 'text'
assert code(os.open, '.', os.O_TMPFILE | os.O_RDONLY) == 'EINVAL'
assert code(os.open, 'lower', os.O_TMPFILE | os.O_RDWR) == 'ENOTDIR'
`,
  async (show) => assert.deepEqual((await show(/^\/dir\/. 100640/)).length, 2),
);

script(
  'renameat2() exchanges, replaces nothing and leaves devices',
  `
def rename(old, new, flags):
    return call(libc.renameat2(-100, old, -100, new, flags))
os.mkdir('full'); open('full/x', 'w').close()
assert [rename(b'lower', b'big', flags) for flags in (1, 3, 6, 8)] == ['EEXIST'] + ['EINVAL'] * 3
assert rename(b'lower', b'full', 2) == 0 and os.path.isdir('lower') and os.path.isfile('full')
assert rename(b'lower', b'none', 2) == 'ENOENT' and rename(b'lower', b'lower/x', 2) == 'EINVAL'
assert rename(b'full', b'moved', 5) == 0 and open('moved').read() == 'lower text'
left = os.lstat('full')
assert stat.S_ISCHR(left.st_mode) and left.st_rdev == 0 and mode('full') == '0o0'
assert rename(b'lower', b'dir', 4) == 0 and os.listdir('dir') == ['x']
os.mknod('null', 0o20600, 0)
assert sorted(os.listdir('.')) == ['big', 'dir', 'full', 'lower', 'moved', 'null']
`,
  async (show) => assert.equal((await show(/^\/(full|lower|null) 20/)).length, 3),
);

script(
  'capabilities go with a change of content or owner, not with the write before them',
  `
value = bytes.fromhex('0000000200200000000000000000000000000000')
def kept(work):
    file = os.open('cap', os.O_CREAT | os.O_RDWR | os.O_TRUNC, 0o755)
    os.write(file, b'text')
    os.setxattr(file, 'security.capability', value)
    work(file)
    os.close(file)
    return code(os.getxattr, 'cap', 'security.capability') is None
assert [kept(lambda f: None), kept(lambda f: os.chmod(f, 0o700)), kept(lambda f: os.utime(f))] == [True] * 3
assert not any([
    kept(lambda f: os.write(f, b'more')), kept(lambda f: os.truncate(f, 1)),
    kept(lambda f: os.truncate('cap', 0)), kept(lambda f: os.chown(f, 1, 1)),
    kept(lambda f: os.chown(f, -1, -1)), kept(lambda f: libc.fallocate(f, 0, 0, 9)),
])
`,
);

script(
  'set-id bits go with a change by somebody else',
  `
def left(bits, work, groups=[]):
    with open('prog', 'w') as file: file.write('text')
    os.chown('prog', 0, 1001)
    os.chmod('prog', bits)
    assert run_as(1000, groups, work) == 0
    return mode('prog')
def opened(): return os.open('prog', os.O_RDWR)
changes = [
    lambda: os.write(opened(), b'x'), lambda: os.truncate('prog', 0),
    lambda: os.open('prog', os.O_WRONLY | os.O_TRUNC), lambda: libc.fallocate(opened(), 0, 0, 9),
    lambda: os.copy_file_range(os.open('lower', os.O_RDONLY), opened(), 5),
]
assert {left(0o6777, change) for change in changes} == {'0o777'}
assert {left(0o6767, change) for change in changes} == {'0o767'}
assert {left(0o6767, change, [1001]) for change in changes} == {'0o2767'}
os.chmod('prog', 0o6755); os.write(opened(), b'x'); assert mode('prog') == '0o6755'
os.chown('prog', -1, -1); assert mode('prog') == '0o755'
`,
);

script(
  'xattrs and inode flags are refused where ext4 refuses them',
  `
os.symlink('lower', 'link'); os.mkfifo('fifo')
def put(path, name): return code(os.setxattr, path, name, b'v', follow_symlinks=False)
assert [put(p, 'user.x') for p in ('lower', 'dir', 'link', 'fifo')] == [None, None, 'EPERM', 'EPERM']
assert [put(p, 'trusted.x') for p in ('lower', 'link', 'fifo')] == [None] * 3
assert [put('lower', n) for n in ('user.', 'system.x', 'x')] == ['EINVAL', 'ENOTSUP', 'ENOTSUP']
assert code(os.getxattr, 'lower', 'system.x') == 'ENOTSUP'
assert run_as(1000, [], lambda: os._exit(len(os.listxattr('lower')) - 1)) == 0
import fcntl, struct
file = os.open('lower', os.O_RDONLY)
assert fcntl.ioctl(file, 0x80086601, bytes(8)) == bytes(8)
assert fcntl.ioctl(file, 0x801c581f, bytes(28)) == bytes(28)
assert code(fcntl.ioctl, file, 0x40086602, struct.pack('l', 16)) in ('EOPNOTSUPP', 'ENOTSUP')
assert code(fcntl.ioctl, file, 0x40086602, bytes(8)) is None
assert code(fcntl.ioctl, file, 0x5401, bytes(64)) == 'ENOTTY'
`,
);

script(
  'times are kept as far as numbers go, UTIME_OMIT keeps them',
  `
for ns in (-1, -2**31 * 10**9 - 1, 2**32 * 10**9 + 7, 10**19):
    os.utime('lower', ns=(ns, ns)); assert os.stat('lower').st_mtime_ns == ns
    os.utime('dir', ns=(ns, ns)); assert os.stat('dir').st_atime_ns == ns
class Time(ctypes.Structure): _fields_ = [('sec', ctypes.c_long), ('nsec', ctypes.c_long)]
def utimens(a, m): return call(libc.utimensat(-100, b'lower', (Time * 2)(Time(*a), Time(*m)), 0))
OMIT = (0, 0x3ffffffe)
assert utimens((5, 6), (7, 8)) == 0 and utimens(OMIT, OMIT) == 0 and utimens((1, 2), OMIT) == 0
s = os.stat('lower'); assert (s.st_atime_ns, s.st_mtime_ns) == (10**9 + 2, 7 * 10**9 + 8)
assert utimens((1, 10**9), OMIT) == 'EINVAL'
assert run_as(1000, [], lambda: os.utime('lower')) == 'EACCES'
os.chmod('lower', 0o666)
assert run_as(1000, [], lambda: os.utime('lower', ns=(1, 1))) == 'EPERM'
assert run_as(1000, [], lambda: os.utime('lower')) == 0
assert code(os.truncate, 'lower', 2**63 - 1) == 'EFBIG'
to = os.open('far', os.O_WRONLY | os.O_CREAT)
assert code(os.copy_file_range, os.open('lower', 0), to, 1, 0, 2**63 - 65537) == 'EFBIG'
`,
);

script(
  'root of a user namespace sets ACLs and makes whiteout devices, and clears set-id bits',
  `
import struct
def left(work):
    with open('prog', 'w') as file: file.write('text')
    os.chmod('prog', 0o6755)
    work()
    return mode('prog')
def opened(): return os.open('prog', os.O_RDWR)
assert left(lambda: os.write(opened(), b'x')) == '0o755'
assert left(lambda: os.truncate('prog', 0)) == '0o755'
assert left(lambda: os.chown('prog', 0, 0)) == '0o755'
assert left(lambda: os.utime('prog')) == '0o6755'
with open('kept', 'w') as file:
    file.write('text'); file.flush(); os.fchmod(file.fileno(), 0o4755)
def acl(uid):
    entries = [(1, 6, 2**32 - 1), (2, 4, uid)] + [(tag, 4, 2**32 - 1) for tag in (4, 16, 32)]
    return struct.pack('<I', 2) + b''.join(struct.pack('<HHI', *entry) for entry in entries)
os.setxattr('lower', 'system.posix_acl_access', acl(0))
assert os.getxattr('lower', 'system.posix_acl_access') == acl(0) and mode('lower') == '0o644'
os.chmod('lower', 0o600)
assert code(os.setxattr, 'lower', 'system.posix_acl_access', acl(5)) == 'EINVAL'
assert call(libc.renameat2(-100, b'big', -100, b'moved', 4)) == 0
os.mknod('null', 0o20600, 0)
assert code(os.mknod, 'zero', 0o20600, os.makedev(1, 5)) == 'EPERM'
assert code(os.setxattr, 'lower', 'trusted.x', b'v') == 'EPERM'
`,
  async (show) => {
    assert.equal((await show(/^\/(big|null) 20/)).length, 2);
    assert.equal((await show(/^\/(prog 106755|kept 104755|lower 100600) .*/)).length, 3);
  },
  { userNamespace: true },
);
