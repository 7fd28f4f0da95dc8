import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';

import { stepOn, runSteps } from '../mounted.js';
import { LayerFixture } from '../overlay-fixture.js';
import { requires } from '../requires.js';
import { CHECKS } from './checks.js';
import type { Failure } from './conformance-process.js';

/*
 * The checks on Linux's own file systems first, which shows that they are right, and then on ours.
 */
const CHILD = fileURLToPath(new URL('conformance-process.js', import.meta.url));
const MEMORY_SERVER = fileURLToPath(new URL('../memory-server.js', import.meta.url));
const COUNT = Object.keys(CHECKS).length;

/** Why a file system fails a check. */
type Known = Readonly<Record<string, string>>;

const TMPFS: Known = { 'fallocate makes zeros': 'tmpfs has no FALLOC_FL_ZERO_RANGE' };
const DISK: Known = {};
const KERNEL_OVERLAY: Known = {
  ...TMPFS,
  'WHITEOUT leaves a device of number 0': 'refused where overlays have whiteouts of their own',
  'mknod makes pipes, sockets and devices': 'refused: the device 0:0 is a whiteout',
};
const OVERLAY: Known = { 'chattr sets a flag': 'layers have no place for flags: EOPNOTSUPP' };
const MEMORY: Known = {
  'lsattr says flags, and chattr sets those again': 'an example: it has no ioctl',
  'chattr sets a flag': 'an example: it has no ioctl',
  'a file of a terabyte is a hole': 'its contents are in memory, holes too',
  'an ACL lets in who it names, and chmod limits it': 'to it, an ACL is an attribute like any',
  'a default ACL is inherited, and the umask is not asked': 'an ACL is an attribute like any',
};

/** Where the shell is told to set up a file system, in a mount namespace of its own. */
const SETUPS: readonly (readonly [string, Known, string])[] = [
  ['tmpfs', TMPFS, 'mount -t tmpfs none . ; cd "$PWD"'],
  ['the disk', DISK, ':'],
  [
    'the overlay file system of the kernel',
    KERNEL_OVERLAY,
    `mount -t tmpfs none .; cd "$PWD"; mkdir l u w m
     mount -t overlay -o lowerdir=l,upperdir=u,workdir=w none m 2>/dev/null || exit 77; cd m`,
  ],
  [
    'the file system in memory, mounted',
    MEMORY,
    `mkdir m; '${process.execPath}' '${MEMORY_SERVER}' "$PWD/m" sync >said 2>&1 3>&- &
     trap "cd /; umount -l '$PWD/m'; wait" EXIT; until grep -q mounted said; do sleep 0.02; done; cd m`,
  ],
];
/** What the shell says where the machine does not allow a mount. */
const NOT_ALLOWED = 77;

/** Asserts that what failed is what is known to fail. */
function check(t: TestContext, failures: readonly Failure[], known: Known): void {
  t.diagnostic(`${COUNT - failures.length} of ${COUNT} checks pass`);
  const unknown = failures.filter(({ name }) => known[name] === undefined);
  assert.deepEqual(
    unknown.map(({ name, message }) => `${name}: ${message}`),
    [],
  );
  const fixed = Object.keys(known).filter((name) => !failures.some((each) => each.name === name));
  assert.deepEqual(fixed, [], 'known to fail, but does not');
}

for (const [name, known, setup] of SETUPS) {
  test(`${name} does what a file system must do`, async (t) => {
    if (!requires(t, 'root', 'fuse', 'program:unshare', 'program:python3')) return;
    const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'tsbuild-conformance-'));
    t.after(() => fs.rmSync(dir, { recursive: true, force: true }));
    fs.chmodSync(dir, 0o755);
    const script = `set -e; ${setup}\n'${process.execPath}' '${CHILD}'`;
    const options = ['--mount', '--propagation', 'private', 'bash', '-c', script];
    const child = spawn('unshare', options, { cwd: dir, stdio: ['ignore', 2, 2, 'pipe'] });
    let text = '';
    child.stdio[3]?.on('data', (chunk: Buffer) => (text += chunk.toString()));
    const [status] = (await once(child, 'close')) as [number | null];
    if (status === NOT_ALLOWED) {
      t.skip('the kernel does not mount it');
      return;
    }
    check(t, JSON.parse(text) as Failure[], known);
  });
}

test('a mounted overlay does what a file system must do', async (t) => {
  if (!requires(t, 'root', 'fuse', 'program:unshare', 'program:prlimit', 'program:python3')) return;
  const fixture = new LayerFixture(t);
  const base = fixture.step([], (sh) => sh.chmod('/', 0o755));
  const result = path.join(fixture.root, 'result');
  const script = `'${process.execPath}' '${CHILD}' 3>'${result}'`;
  const [ran] = await runSteps([stepOn(fixture, [base], { script, end: 'commit' })]);
  assert.equal(ran?.status, 0, ran?.output);
  check(t, JSON.parse(fs.readFileSync(result, 'utf8')) as Failure[], OVERLAY);
});
