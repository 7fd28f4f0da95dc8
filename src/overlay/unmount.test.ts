import assert from 'node:assert/strict';
import test from 'node:test';

import { runSteps, stepOn } from '../testing/mounted.js';
import { LayerFixture } from '../testing/overlay-fixture.js';
import { requires } from '../testing/requires.js';

/*
 * A process that keeps a mount in use, in the mount as its working directory. It says `ready`,
 * waits until `go` exists beside the mount point, and still works.
 */
const USERS: readonly [title: string, bash: string][] = [
  ['an open file', 'exec 3> held; echo early >&3; cd /; ready; echo late >&3'],
  [
    'an open file without a name',
    'exec 3<> gone; rm gone; echo x >&3; cd /; ready; echo y >&3; cat /proc/self/fd/3 >&2',
  ],
  ['a working directory', 'ready; echo late > held; ls | grep -q held'],
  [
    'a mapping',
    `python3 -c "
import mmap, os, subprocess
f = os.open('held', os.O_CREAT | os.O_RDWR); os.ftruncate(f, 9)
m = mmap.mmap(f, 9); os.close(f); os.chdir('/')
subprocess.run(['bash', '-c', os.environ['READY']], check=True)
m[0:9] = b'mapped!!\\n'"`,
  ],
  ['a running program', 'cp /bin/bash prog; (cd /; exec "$OLDPWD/prog" -c "$READY")'],
];

/* In a shell of the mount: runs a user, tries to unmount below it, and lets it go. */
function scriptOf(user: string): string {
  return `
  set -eu -o pipefail
  mnt=$PWD said=$PWD.said go=$PWD.go OLDPWD=$PWD
  export READY="echo ready > $said; until [ -e $go ]; do sleep 0.02; done"
  ready() { eval "$READY"; }
  (${user}) 2> $said.out & pid=$!
  until [ -e $said ]; do sleep 0.02; done
  cd /
  ! umount $mnt 2> $said.busy || echo 'was not busy'; grep -o busy $said.busy
  mountpoint -q $mnt; ls $mnt > /dev/null; echo new > $mnt/after-busy
  umount -l $mnt
  ! mountpoint -q $mnt; [ -z "$(ls $mnt)" ]
  kill -0 $pid; touch $go; wait $pid`;
}

test('a mount in use is not unmounted, but lazily, and ends with its last user', async (t) => {
  if (!requires(t, 'root', 'fuse', 'program:unshare', 'program:prlimit', 'program:python3')) return;
  const fixture = new LayerFixture(t);
  const base = fixture.step([], (sh) => sh.write('/lower', 'lower'));
  const steps = USERS.map(([, user]) =>
    stepOn(fixture, [base], { script: scriptOf(user), end: 'commit' }),
  );
  const look = 'cat after-busy lower; [ ! -e held ] || cat held; [ ! -e gone ]';
  const next = steps.map(({ upper }) =>
    stepOn(fixture, [base, upper], { script: look, end: 'discard' }),
  );
  const results = await runSteps([...steps, ...next], { openFilesMax: 256 });
  assert.equal(new Set(results.map(({ serverPid }) => serverPid)).size, 1, 'one server serves all');
  const HELD = ['early\nlate\n', '', 'late\n', 'mapped!!\n', ''];
  for (const [i, [title]] of USERS.entries()) {
    const { status, output, error } = results[i] ?? {};
    assert.deepEqual([title, error?.message, output, status], [title, undefined, 'busy\n', 0]);
    const shown = results[USERS.length + i]?.output;
    assert.deepEqual([title, shown], [title, `new\nlower${HELD[i] ?? ''}`]);
  }
});

test('a commit waits for the last user of a lazily unmounted mount', async (t) => {
  if (!requires(t, 'root', 'fuse', 'program:unshare', 'program:prlimit')) return;
  const fixture = new LayerFixture(t);
  const base = fixture.step([], (sh) => sh.write('/lower', 'lower'));
  const script = `
  mnt=$PWD; exec 3> held; cd /; umount -l $mnt
  (sleep 0.5; echo late >&3) > /dev/null 2>&1 & disown`;
  const left = stepOn(fixture, [base], { script, end: 'commit' });
  const next = stepOn(fixture, [base, left.upper], { script: 'cat held', end: 'discard' });
  const results = await runSteps([left, next]);
  assert.deepEqual(
    results.map(({ output, error }) => error?.message ?? output),
    ['', 'late\n'],
  );
});
