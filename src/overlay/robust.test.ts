import assert from 'node:assert/strict';
import fs from 'node:fs';
import test from 'node:test';

import { LayerFixture, type Shell } from '../testing/overlay-fixture.js';
import { runMounted, runSteps, stepOn } from '../testing/mounted.js';
import { requires, type Requirement } from '../testing/requires.js';

const NEEDS: readonly Requirement[] = ['root', 'fuse', 'program:unshare', 'program:prlimit'];
const PYTHON: readonly Requirement[] = [...NEEDS, 'program:python3'];
const LIMITS = { openFilesMax: 256 };

/** Directories and files, the last one of each directory with a name in the next, too. */
function populate(sh: Shell, dirs: number, files: number): void {
  for (let d = 0; d < dirs; d++) {
    sh.mkdir(`/d${d}`);
    for (let f = 0; f < files; f++) sh.write(`/d${d}/f${f}`, `${d} ${f} `.repeat(100));
  }
  for (let d = 0; d < dirs; d++) sh.ln(`/d${d}/f${files - 1}`, `/d${(d + 1) % dirs}/link`);
}

/*
 * What a kernel with little memory does: it forgets what is not in use. Where the machine does
 * not let us, nothing is dropped, and the rest is tested.
 */
const DROP = `
def drop():
  try:
    with open('/proc/sys/vm/drop_caches', 'w') as f: f.write('2')
  except OSError: pass
`;

/** Each client changes its own directory and reads what nobody changes. */
const CLIENTS = `
import os, sys, time
${DROP}
CLIENTS, ROUNDS = 64, 12
def look(d):
  seen = {}
  for e in os.scandir('d%d' % d):
    s = e.stat(follow_symlinks=False)
    seen[e.name] = (s.st_ino, s.st_nlink, s.st_size)
  return seen
def text(d, f):
  return ('%d %d ' % (d, f)) * 100
def client(n):
  quiet, own = 64 + n % 4, 'd%d/' % n
  for r in range(ROUNDS):
    assert look(quiet) == before[quiet], 'what nobody changes stays'
    assert open('d%d/f%d' % (quiet, r % 10)).read() == text(quiet, r % 10)
    a, b, c = own + 'a%d' % r, own + 'b%d' % r, own + 'c%d' % r
    f = os.open(a, os.O_CREAT | os.O_RDWR | os.O_EXCL); os.write(f, b'new ' * r)
    os.rename(a, b); os.link(b, c); assert os.fstat(f).st_nlink == 2
    os.unlink(b); assert os.fstat(f).st_nlink == 1; os.close(f)
    assert open(c).read() == 'new ' * r
    if r < 8:
      with open(own + 'f%d' % r, 'a') as f: f.write('more')
      assert open(own + 'f%d' % r).read() == text(n, r) + 'more'
    if r % 4 == 0: os.rename('d%d' % n, 'm%d' % n); os.rename('m%d' % n, 'd%d' % n)
    os.mkdir(own + 'dir'); os.rmdir(own + 'dir')
    assert not os.path.exists(own + 'absent')
before = {d: look(d) for d in range(64, 68)}
pids = []
for n in range(CLIENTS):
  pid = os.fork()
  if pid == 0:
    try: client(n)
    except BaseException as e: print('client', n, repr(e)); sys.stdout.flush(); os._exit(1)
    os._exit(0)
  pids.append(pid)
left = set(pids); bad = 0
while left:
  pid, status = os.waitpid(-1, os.WNOHANG)
  if pid == 0: drop(); time.sleep(0.1); continue
  left.discard(pid); bad += status != 0
drop()
assert {d: look(d) for d in range(64, 68)} == before
print('failed', bad)
`;

test('64 clients work at once while the kernel drops its caches', async (t) => {
  if (!requires(t, ...PYTHON)) return;
  const fixture = new LayerFixture(t);
  const base = fixture.step([], (sh) => populate(sh, 68, 10));
  const script = `python3 - <<'END'\n${CLIENTS}\nEND`;
  const { output, upper } = await runMounted(fixture, [base], script, LIMITS);
  assert.equal(output, 'failed 0\n');
  const names = (await fixture.show([base, upper])).map((line) => line.split(' ')[0] ?? '');
  const want = Array.from({ length: 68 }, (_, d) => {
    const own = d < 64 ? Array.from({ length: 12 }, (_each, r) => `/d${d}/c${r}`) : [];
    const lower = Array.from({ length: 10 }, (_each, f) => `/d${d}/f${f}`);
    return [`/d${d}`, ...own, ...lower, `/d${d}/link`];
  });
  assert.deepEqual(names.sort(), ['/', ...want.flat()].sort());
});

const STABLE = `
import os
${DROP}
def walk():
  seen = {}
  for at, dirs, files in os.walk('.'):
    for name in dirs + files:
      s = os.lstat(os.path.join(at, name))
      seen[os.path.join(at, name)] = (s.st_ino, s.st_nlink, s.st_mtime_ns, s.st_ctime_ns)
  return seen
before = walk()
assert len({v[0] for v in before.values()}) == 20 + 20 * 200
for i in range(3):
  drop(); assert walk() == before
os.rename('d1', 'moved'); os.chmod('d2/f5', 0o600); os.unlink('d3/f199'); os.utime('d4/f0', (1, 1))
after = walk()
for i in range(3):
  drop(); assert walk() == after
assert after['./moved/f3'][0] == before['./d1/f3'][0]
assert after['./d2/f5'][0] == before['./d2/f5'][0]
assert after['./d4/link'] [:2] == (before['./d3/f199'][0], 1)
with open('d5/f1') as f:
  listing = os.scandir('d6'); first = [next(listing).name for i in range(3)]
  drop(); os.unlink('d6/' + first[0])
  rest = [e.name for e in listing]
  assert len(first) + len(rest) == len(set(first + rest)) == 201
  drop(); assert f.read() == '5 1 ' * 100
print('ok')
`;

test('numbers, links and times are the same after the kernel has forgotten them', async (t) => {
  if (!requires(t, ...PYTHON)) return;
  const fixture = new LayerFixture(t);
  const base = fixture.step([], (sh) => populate(sh, 20, 200));
  const { output } = await runMounted(fixture, [base], `python3 - <<'END'\n${STABLE}\nEND`, LIMITS);
  assert.equal(output, 'ok\n');
});

test('clients that are killed in the middle of requests leave the mount as it was', async (t) => {
  if (!requires(t, ...NEEDS)) return;
  const fixture = new LayerFixture(t);
  const base = fixture.step([], (sh) => populate(sh, 20, 50));
  const script = `
  before=$(find . -printf '%p %i %n %s\\n' | sort)
  for i in {1..24}; do timeout -s KILL 0.0$i bash -c 'find . -ls; cat d*/f* | sha256sum' > /dev/null 2>&1 & done
  wait
  [ "$before" = "$(find . -printf '%p %i %n %s\\n' | sort)" ]`;
  const { changes } = await runMounted(fixture, [base], script, LIMITS);
  assert.equal(changes, 0);
});

test('a mount with open files ends when they are closed, with what was written', async (t) => {
  if (!requires(t, ...NEEDS)) return;
  const fixture = new LayerFixture(t);
  const held = `exec 3> held; cd d1; (sleep 0.4; echo late >&3) > /dev/null 2>&1 & disown`;
  const base = fixture.step([], (sh) => populate(sh, 2, 2));
  const kept = stepOn(fixture, [base], { script: held, end: 'commit' });
  const thrown = stepOn(fixture, [base], { script: held, end: 'discard' });
  const next = stepOn(fixture, [base, kept.upper], { script: 'cat held', end: 'commit' });
  const results = await runSteps([kept, thrown, next], LIMITS);
  assert.deepEqual(
    results.map(({ output, error }) => error?.message ?? output),
    ['', '', 'late\n'],
  );
  assert.equal(fs.existsSync(fixture.dirOf(thrown.upper)), false);
});

test('when its server dies, every client of a mount gets an answer', async (t) => {
  if (!requires(t, ...NEEDS)) return;
  const fixture = new LayerFixture(t);
  const base = fixture.step([], (sh) => populate(sh, 4, 10));
  const script = `
  for i in {1..16}; do
    (while echo $i > new$i && cat d*/f* && ls -l . d1 && mv new$i old$i; do :; done) > /dev/null 2>&1 &
  done
  sleep 0.3
  for pid in $(cat /proc/$PPID/task/*/children); do
    [ $pid = $$ ] || kill -9 $pid
  done
  wait
  cat absent 2>&1 | grep -o 'not connected'`;
  const step = stepOn(fixture, [base], { script, end: 'commit' });
  const [result] = await runSteps([step], LIMITS);
  assert.equal(result?.output, 'not connected\n');
  assert.equal(result.error?.code, 'TSB_SANDBOX');
});
