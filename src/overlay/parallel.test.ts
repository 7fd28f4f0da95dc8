import { testRegressions } from '../testing/regressions.js';

/*
 * The kernel sends LOOKUP and READDIR of one directory in parallel, and changes from several
 * processes one right after the other. WORKERS run `work(n)` at once while the kernel drops its
 * caches (where the machine lets us); what they print is sorted.
 */
const PARALLEL = `
from fstools import *
import sys, time
WORKERS = 8
def drop():
  try:
    with open('/proc/sys/vm/drop_caches', 'w') as f: f.write('2')
  except OSError: pass
def parallel(work):
  left = set()
  for n in range(WORKERS):
    pid = os.fork()
    if pid == 0:
      try: work(n); sys.stdout.flush(); os._exit(0)
      except BaseException as e: print('worker', n, repr(e)); sys.stdout.flush(); os._exit(1)
    left.add(pid)
  bad = 0
  while left:
    pid, status = os.waitpid(-1, os.WNOHANG)
    if pid == 0: drop(); time.sleep(0.05); continue
    left.discard(pid); bad += status != 0
  assert not bad, bad
def listed(at='dir'):
  names = os.listdir(at); assert len(names) == len(set(names)), sorted(names)
  return set(names)
`;

function program(python: string): string {
  return `python3 - <<'END'\n${PARALLEL}${python}\nEND`;
}

testRegressions('operations of many processes in one directory', [
  {
    title: 'each sees its own names come and go, and those that stay',
    lower: (sh) => {
      for (let i = 0; i < 100; i++) sh.write(`/dir/low${i}`, `${i}`);
    },
    script: program(`
stay = listed()
def work(n):
  own = set()
  def check():
    names = listed()
    assert stay <= names, stay - names
    mine = {x for x in names if x.startswith('w%d.' % n)}; assert mine == own, mine ^ own
  for i in range(25):
    a, b, c, d = ('dir/w%d.%s%d' % (n, kind, i) for kind in 'abcd')
    with open(a, 'x') as f: f.write('%d %d' % (n, i))
    own.add(os.path.basename(a)); check()
    os.rename(a, b); own.remove(os.path.basename(a)); own.add(os.path.basename(b)); check()
    os.link(b, c); os.unlink(b); own.remove(os.path.basename(b)); own.add(os.path.basename(c)); check()
    os.mkdir(d); own.add(os.path.basename(d)); check(); os.rmdir(d); own.remove(os.path.basename(d)); check()
    assert open(c).read() == '%d %d' % (n, i) and not os.path.exists(a) and not os.path.exists(b)
parallel(work)
assert listed() == stay | {'w%d.c%d' % (n, i) for n in range(WORKERS) for i in range(25)}
`),
  },
  {
    title: 'one of many makes a name, and one removes it',
    lower: (sh) => {
      for (let i = 0; i < 60; i++) sh.write(`/empty/low${i}`, '');
    },
    script: program(`
def wins(call, *args):
  try: call(*args); return True
  except (FileExistsError, FileNotFoundError): return False
def work(n):
  won = []
  for i in range(60):
    x = 'empty/%s%d'
    if wins(os.close, os.open(x % ('shared', i), os.O_CREAT | os.O_WRONLY)): pass
    if wins(lambda: open(x % ('file', i), 'x').close()): won.append('file%d' % i)
    if wins(os.mkdir, x % ('dir', i)): won.append('dir%d' % i)
    if wins(os.symlink, 'to', x % ('link', i)): won.append('link%d' % i)
    if wins(os.unlink, x % ('low', i)): won.append('low%d' % i)
    if i % 2 and wins(os.rmdir, x % ('dir', i - 1)): won.append('rmdir%d' % (i - 1))
    if i % 10 == 0: listed('empty')
  with open('won%d' % n, 'w') as f: f.write('\\n'.join(won))
parallel(work)
won = [line for n in range(WORKERS) for line in open('won%d' % n).read().split()]
for kind in 'file', 'link', 'low': assert sorted(won.count('%s%d' % (kind, i)) for i in range(60)) == [1] * 60, kind
left = listed('empty')
for i in range(60): # A removed directory can have been made again.
  made, removed = won.count('dir%d' % i), won.count('rmdir%d' % i)
  assert made - removed == ('dir%d' % i in left), (i, made, removed)
assert {x for x in left if not x.startswith('dir')} == {'%s%d' % (kind, i) for kind in ('shared', 'file', 'link') for i in range(60)}
for n in range(WORKERS): os.unlink('won%d' % n)
for i in range(60):
  if 'dir%d' % i in left: os.rmdir('empty/dir%d' % i)
`),
    layer: [
      'empty/',
      ...['file', 'link', 'shared'].flatMap((kind) =>
        Array.from({ length: 60 }, (_, i) => `empty/${kind}${i}`),
      ),
      ...Array.from({ length: 60 }, (_, i) => `-empty/low${i}`),
    ],
  },
  {
    title: 'a name that is replaced all the time is always there, once',
    script: program(`
open('dir/target', 'w').write('start')
def work(n):
  for i in range(80):
    if n < 4:
      with open('dir/tmp%d' % n, 'w') as f: f.write('from %d' % n)
      os.rename('dir/tmp%d' % n, 'dir/target')
    else:
      names, text = listed(), open('dir/target').read()
      assert 'target' in names, names; assert text[:5] in ('start', 'from '), (text, i)
      assert os.stat('dir/target').st_ino; fails(errno.ENOENT, os.stat, 'dir/none%d' % i)
parallel(work)
assert listed() == {'a', 'b', 'sub', 'three', 'target'}; assert os.stat('dir/target').st_nlink == 1
open('dir/target', 'w').write('end')
`),
    layer: ['dir/', 'dir/target'],
  },
  {
    title: 'names that swap places are never both missing',
    script: program(`
os.mkdir('dir/x'); open('dir/x/in', 'w').close(); open('dir/y', 'w').close()
def work(n):
  for i in range(100):
    if n < 2: renameat2('dir/x', 'dir/y', EXCHANGE)
    elif n < 4: assert {'x', 'y', 'a', 'b'} <= listed()
    else: os.stat('dir/x'); os.stat('dir/y'); os.stat('dir/sub/deep')
parallel(work)
assert os.path.isdir('dir/x') and os.path.isfile('dir/y'), 'an even number of swaps'
`),
    layer: ['dir/', 'dir/x/', 'dir/x/in', 'dir/y'],
  },
  {
    title: 'a directory that moves takes with it what others make in it',
    script: program(`
os.mkdir('p'); os.mkdir('q'); os.rename('dir', 'p/dir'); fd = os.open('p/dir', os.O_RDONLY)
def work(n):
  for i in range(40):
    if n == 0: os.rename('p/dir', 'q/dir'); os.rename('q/dir', 'p/dir')
    else:
      os.close(os.open('n%d.%d' % (n, i), os.O_CREAT | os.O_EXCL, dir_fd=fd))
      assert 'n%d.%d' % (n, i) in listed('/proc/self/fd/%d' % fd)
      if i % 2: os.unlink('n%d.%d' % (n, i), dir_fd=fd)
parallel(work)
assert listed('p/dir') == {'a', 'b', 'sub', 'three'} | {'n%d.%d' % (n, i) for n in range(1, WORKERS) for i in range(0, 40, 2)}
os.rename('p/dir', 'dir'); os.rmdir('p'); os.rmdir('q')
`),
  },
]);
