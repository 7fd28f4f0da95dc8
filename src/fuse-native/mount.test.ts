import assert from 'node:assert/strict';
import test from 'node:test';

import { MemoryMount, canMount } from '../testing/memory-mount.js';
import { COMMON_SCRIPTS } from '../testing/mount-scripts.js';
import { requires } from '../testing/requires.js';

/** What works as on any file system. */
const SCRIPTS: [string, string, string][] = [
  ...COMMON_SCRIPTS,
  ['moves directories', 'mkdir -p a/b; echo x > a/b/f; mv a c; cat c/b/f; ls -A', 'x\nc\n'],
  ['links symbolically', 'echo x > a; ln -s a l; cat l; readlink l', 'x\na\n'],
  [
    'links hard',
    'echo x > a; ln a b; stat -c %h a b; echo y > b; cat a; rm a; cat b',
    '2\n2\ny\ny\n',
  ],
  [
    'lists and removes many files',
    'mkdir d; cd d; seq 1000 | xargs touch; ls | wc -l; cd ..; rm -rf d; ls -A',
    '1000\n',
  ],
  [
    'sets modes and owners',
    'echo x > f; chmod 6755 f; chown 1:2 f; stat -c "%a %u %g" f; mkfifo p; stat -c %F p',
    '755 1 2\nfifo\n',
  ],
  [
    'has extended attributes',
    `echo x > f; setfattr -n user.a -v 12345 f; getfattr --only-values -n user.a f; echo
     getfattr f | grep -c user; setfattr -x user.a f; getfattr f | grep -c user`,
    '12345\n1\n0\n',
  ],
];

/** What the channel cannot express, as the table in the README has it. */
const LIMITS: [string, string, string][] = [
  [
    'times: milliseconds, and mtime is what atime should be',
    "open('f', 'w'); os.utime('f', ns=(1234567890123456789, 99)); s = os.stat('f'); print(s.st_atime_ns, s.st_mtime_ns)",
    '1234567890123000000 1234567890123000000\n',
  ],
  [
    'times before 1970 are far in the future',
    "open('f', 'w'); os.utime('f', (-5, -5)); print(os.stat('f').st_mtime > 1e16)",
    'True\n',
  ],
  [
    'one of the two times is not set alone',
    "open('f', 'w'); os.utime('f', (7, 7)); os.system('touch -m f'); print(os.stat('f').st_mtime)",
    '7.0\n',
  ],
  [
    'no rename flags',
    "open('a', 'w'); open('b', 'w'); print([libc.renameat2(-100, b'a', -100, b'b', flag) for flag in (1, 2, 4)], error())",
    '[-1, -1, -1] EINVAL\n',
  ],
  ['no O_TMPFILE', "attempt(lambda: os.open('.', os.O_TMPFILE | os.O_RDWR))", 'ENOTSUP\n'],
  [
    'no fallocate, so no holes punched',
    "fd = os.open('f', os.O_RDWR | os.O_CREAT); print(libc.fallocate(fd, 0, c_long(0), c_long(1)), error())",
    '-1 ENOTSUP\n',
  ],
  [
    'no SEEK_DATA: everything is data',
    "fd = os.open('f', os.O_RDWR | os.O_CREAT); os.truncate('f', 100000); print(os.lseek(fd, 0, os.SEEK_DATA))",
    '0\n',
  ],
  [
    'an open file that is removed gets another name, which keeps its directory',
    "os.mkdir('d'); fd = os.open('d/f', os.O_RDWR | os.O_CREAT); os.unlink('d/f'); print(os.listdir('d')[0][:12]); attempt(lambda: os.rmdir('d')); os.close(fd)",
    '.fuse_hidden\nENOTEMPTY\n',
  ],
  [
    'new files belong to the server',
    `os.mkdir('d'); os.chmod('d', 0o777)
if os.fork() == 0:
    os.setuid(1000)
    open('d/f', 'w')
    os._exit(0)
os.wait(); print(os.stat('d/f').st_uid)`,
    '0\n',
  ],
  [
    'names that are not UTF-8 are damaged',
    "open(b'\\xff', 'w').close(); print(os.listdir(b'.'))",
    "[b'\\xef\\xbf\\xbd']\n",
  ],
  [
    'no ioctl',
    "fd = os.open('f', os.O_CREAT); attempt(lambda: fcntl.ioctl(fd, 0x80086601, bytes(8)))",
    'ENOTTY\n',
  ],
];

const PYTHON = `
import ctypes, errno, fcntl, os
from ctypes import c_long
libc = ctypes.CDLL(None, use_errno=True)
def error(): return errno.errorcode[ctypes.get_errno()]
def attempt(action):
    try: print(action())
    except OSError as failure: print(errno.errorcode[failure.errno])
`;

test('a file system in memory, served by libfuse2', async (t) => {
  if (!canMount(t) || !requires(t, 'program:python3', 'program:getfattr')) return;
  if (process.arch !== 'x64') {
    t.skip('fuse-native has binaries for x64 only');
    return;
  }
  if (!requires(t, 'package:fuse-native', 'library:libfuse.so.2')) return;
  await using mount = await MemoryMount.start('libfuse');
  const cases = [
    ...SCRIPTS.map(([name, script, want]) => ({ name, want, run: () => mount.run(script) })),
    ...LIMITS.map(([name, code, want]) => ({
      ...{ name, want },
      run: () => mount.runPython(PYTHON + code),
    })),
  ];
  for (const { name, want, run } of cases) {
    await t.test(name, () => {
      assert.equal(run(), want);
      mount.run('rm -rf -- * .[!.]*');
      assert.equal(mount.run('ls -A'), '');
    });
  }
  await t.test('ends its server when it is unmounted', async () => {
    assert.deepEqual(await mount.end(), ['unmounted', 0]);
  });
});
