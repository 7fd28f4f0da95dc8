import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import test from 'node:test';
import { MemoryMount, canMount } from '../../testing/memory-mount.js';
import { requires } from '../../testing/requires.js';
import { IN_HEADER, OPCODE } from '../protocol/abi.js';
import { LseekGate } from './lseek-gate.js';

/** Asks for data and holes of a file that has just been written, and is still open. */
const PRELUDE = `
import hashlib, mmap, os, subprocess, time
DATA, HOLE = os.SEEK_DATA, os.SEEK_HOLE
def seek(fd, offset, whence):
    try: return os.lseek(fd, offset, whence)
    except OSError as error: return -error.errno
def make(name): return os.open(name, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
`;

const PROGRAMS: [string, string, string][] = [
  [
    'exactly, 1000 times, from four processes at once',
    `
children = []
for child in range(4):
    pid = os.fork()
    children.append(pid)
    if pid > 0: continue
    wrong = 0
    for turn in range(250):
        fd = make('f%d.%d' % (child, turn % 5))
        os.pwrite(fd, b'x' * 10000, 0)
        os.pwrite(fd, b'y' * 5000, 1 << 17)
        got = [seek(fd, 0, DATA), seek(fd, 0, HOLE), seek(fd, 20000, DATA), seek(fd, 1 << 17, HOLE)]
        if got != [0, 12288, 1 << 17, (1 << 17) + 5000]: wrong += 1
        os.close(fd)
    os._exit(1 if wrong else 0)
print([os.waitpid(pid, 0)[1] for pid in children])`,
    '[0, 0, 0, 0]\n',
  ],
  [
    'of one file, from four processes at once',
    `
children = []
for child in range(4):
    pid = os.fork()
    children.append(pid)
    if pid > 0: continue
    wrong = 0
    for turn in range(50):
        fd = os.open('same', os.O_RDWR | os.O_CREAT)
        os.pwrite(fd, b'x', (1 << 16) - 1)
        if seek(fd, (1 << 16) - 1, HOLE) != 1 << 16: wrong += 1
        os.close(fd)
    os._exit(1 if wrong else 0)
print([os.waitpid(pid, 0)[1] for pid in children])`,
    '[0, 0, 0, 0]\n',
  ],
  [
    'without a name, write-only, written through a mapping',
    `
fd = make('f'); os.unlink('f'); os.pwrite(fd, b'x', 100000)
print(seek(fd, 0, DATA), seek(fd, 0, HOLE), seek(fd, 100001, DATA))
fd = os.open('g', os.O_WRONLY | os.O_CREAT); os.pwrite(fd, b'x', 8192); print(seek(fd, 0, DATA))
fd = make('h'); os.ftruncate(fd, 1 << 20); page = mmap.mmap(fd, 1 << 20); page[500000] = 7
print(seek(fd, 0, DATA), seek(fd, 500000, HOLE))`,
    '98304 0 -6\n8192\n499712 503808\n',
  ],
  [
    'to cp --sparse=auto and tar -S, which keep the bytes',
    `
def digest(name): return hashlib.sha256(open(name, 'rb').read()).digest()
same = 0
load = [subprocess.Popen(['sh', '-c', 'for i in 1 2 3; do seq 200000 > load.%d; done' % i])
        for i in range(2)]
for turn in range(20):
    fd = make('f')
    for place in range(8): os.pwrite(fd, os.urandom(3000), place * 70000 + turn)
    cp = subprocess.run(['cp', '--sparse=auto', 'f', 'g'])
    tar = subprocess.run('tar -cSf - f | tar -xSOf - > h', shell=True)
    same += digest('f') == digest('g') == digest('h')
    os.close(fd)
print(same, [each.wait() for each in load])`,
    '20 [0, 0]\n',
  ],
];

function ready(t: TestContext): boolean {
  return canMount(t) && requires(t, 'program:python3');
}

for (const mode of ['sync', 'async']) {
  test(`data and holes of a file that is being written, served ${mode}`, async (t) => {
    if (!ready(t)) return;
    await using mount = await MemoryMount.start(mode);
    const programs = mode === 'sync' ? PROGRAMS : PROGRAMS.slice(1, 3);
    for (const [name, program, want] of programs) {
      await t.test(name, () => assert.equal(mount.runPython(PRELUDE + program), want));
    }
    assert.deepEqual(await mount.end(), ['unmounted', 0]);
  });
}

test('a server that is killed while pages are written back takes its helper along', async (t) => {
  if (!ready(t)) return;
  await using mount = await MemoryMount.start('sync');
  const endless = `${PRELUDE}
helper = ''
while True:
    fd = make('f')
    for place in range(64): os.write(fd, bytes(1 << 20))
    if helper:
        subprocess.Popen('sleep 0.0%d; kill -9 ${mount.pid}' % (os.getpid() % 10), shell=True)
    error = seek(fd, 0, HOLE)
    if helper: break
    helper = subprocess.run(['pgrep', '-P', '${mount.pid}'], capture_output=True, text=True).stdout
while error != -107: error = seek(fd, 0, HOLE)
for turn in range(50):
    if not os.path.exists('/proc/' + helper.strip()): print('gone'); break
    time.sleep(0.1)
os._exit(0)`;
  assert.equal(mount.runPython(endless), 'gone\n');
});

test('without its helper, everything is data', async (t) => {
  if (!ready(t)) return;
  await using mount = await MemoryMount.start('sync');
  const seeks = `fd = make('f'); os.pwrite(fd, b'x', 99999)
print(seek(fd, 0, DATA), seek(fd, 0, HOLE))\n`;
  const kill = `os.system("kill -9 $(pgrep -P ${mount.pid})")\n`;
  assert.equal(mount.runPython(PRELUDE + seeks + kill + seeks), '98304 0\n0 100000\n');
  assert.deepEqual(await mount.end(), ['unmounted', 0]);
});

function request(opcode: number, body: Buffer): Buffer {
  const header = Buffer.alloc(IN_HEADER.bytes);
  header.writeUInt32LE(opcode, IN_HEADER.opcode);
  return Buffer.concat([header, body]);
}

const LSEEK = request(OPCODE.FUSE_LSEEK, Buffer.alloc(24));
const init = (minor: number): Buffer =>
  request(OPCODE.FUSE_INIT, Buffer.from([7, 0, 0, 0, minor, 0, 0, 0]));

test('LSEEK is refused where writing back cannot be waited for', () => {
  const admit = (dev: string | undefined, minor: number): string => {
    using gate = new LseekGate(dev);
    assert.equal(gate.admit(init(minor), 48), 'pass');
    return gate.admit(LSEEK, LSEEK.length);
  };
  assert.equal(admit('0:1', 44), 'park');
  assert.equal(admit('0:1', 43), 'refuse');
  assert.equal(admit(undefined, 45), 'refuse');
});

test('LSEEK is refused where the helper cannot be started', () => {
  using gate = new LseekGate('0:1', () => {
    throw Object.assign(new Error('spawn'), { code: 'EMFILE' });
  });
  assert.equal(gate.park(LSEEK, 1), false);
  assert.equal(gate.admit(LSEEK, LSEEK.length), 'refuse');
  assert.equal(gate.answers, undefined);
});
