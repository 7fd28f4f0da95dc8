import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import type { LayerId } from '../layer/types.js';
import { LayerFixture } from '../testing/overlay-fixture.js';
import { runSteps, stepOn } from '../testing/mounted.js';
import { requires, type Requirement } from '../testing/requires.js';

const NEEDS: readonly Requirement[] = ['root', 'fuse', 'program:unshare', 'program:prlimit'];

test('one server serves several mounts, and survives those that cannot be made', async (t) => {
  if (!requires(t, ...NEEDS)) return;
  const fixture = new LayerFixture(t);
  const missing = '0'.repeat(32) as LayerId;
  const first = stepOn(fixture, [], { script: 'echo 1 > a', end: 'commit' });
  const broken = stepOn(fixture, [missing], { script: 'true', end: 'commit' });
  const second = stepOn(fixture, [first.upper], { script: 'cat a; echo 2 > b', end: 'commit' });
  const thrown = stepOn(fixture, [first.upper], { script: 'echo 3 > c', end: 'discard' });
  const results = await runSteps([first, broken, second, thrown]);
  assert.deepEqual(
    results.map(({ output, error }) => error?.code ?? output),
    ['', 'TSB_STORE', '1\n', ''],
  );
  const shown = await fixture.show([first.upper, second.upper]);
  assert.deepEqual(
    shown.map((line) => line.split(' ')[0]),
    ['/', '/a', '/b'],
  );
  for (const { upper } of [broken, thrown])
    assert.equal(fs.existsSync(fixture.dirOf(upper)), false);
});

test('mounts by both channels leave the same layer', async (t) => {
  if (!requires(t, ...NEEDS)) return;
  if (process.arch !== 'x64') {
    t.skip('fuse-native has binaries for x64 only');
    return;
  }
  if (!requires(t, 'package:fuse-native', 'library:libfuse.so.2')) return;
  const fixture = new LayerFixture(t);
  const base = fixture.step([], (shell) => {
    shell.mkdir('dir');
    shell.write('dir/lower', 'lower');
    shell.write('gone', 'x');
  });
  const script = `echo 1 > a; mv dir moved; echo more >> moved/lower; ln a b; rm gone; mkdir -p x/y
    cp moved/lower x/y; ln -s a l; chmod 4711 b; chown 3:4 x; mkfifo p; touch -d @1000 a x/y x p`;
  const steps = (['device', 'libfuse'] as const).map((channel) => {
    const step = stepOn(fixture, [base], { script, end: 'commit' });
    return { ...step, mount: { ...step.mount, channel } };
  });
  const results = await runSteps(steps);
  assert.deepEqual(
    results.map(({ output, error }) => error?.message ?? output),
    ['', ''],
  );
  // The times of what only moved or was written to are the clock's.
  const untimed = (lines: string[]): string[] =>
    lines.map((line) => line.replace(/ \d{7,}\.\d+ /, ' '));
  const shown = await Promise.all(steps.map(async ({ upper }) => fixture.show([base, upper])));
  assert.deepEqual(untimed(shown[1] ?? []), untimed(shown[0] ?? []));
  assert.equal(shown[0]?.length, 10);
});

test('a server that is killed gives an error, and its upper directory is removed', async (t) => {
  if (!requires(t, ...NEEDS)) return;
  const fixture = new LayerFixture(t);
  const step = stepOn(fixture, [], { script: 'echo 1 > a', end: 'kill server' });
  const [result] = await runSteps([step]);
  assert.equal(result?.error?.code, 'TSB_SANDBOX');
  assert.match(result.error.message, /SIGKILL/);
  assert.equal(fs.existsSync(fixture.dirOf(step.upper)), false);
});

test('a server dies with its parent', async (t) => {
  if (!requires(t, ...NEEDS)) return;
  const fixture = new LayerFixture(t);
  const step = stepOn(fixture, [], { script: 'echo 1 > a', end: 'die' });
  const [result] = await runSteps([step]);
  assert(result !== undefined && result.serverPid > 1);
  const alive = (): boolean => {
    const status = `/proc/${result.serverPid}/status`;
    return fs.existsSync(status) && !/State:\s+Z/.test(fs.readFileSync(status, 'latin1'));
  };
  for (let i = 0; i < 50 && alive(); i++) await sleep(20);
  assert.equal(alive(), false);
});

test('a mount whose disk is full says so', async (t) => {
  if (!requires(t, ...NEEDS, 'program:mount')) return;
  const fixture = new LayerFixture(t);
  const step = stepOn(fixture, [], {
    script: 'dd if=/dev/zero of=big bs=1M count=40 2>&1 | grep -o "No space left on device"',
    end: 'discard',
  });
  // The limit of the shell does not bind the server: a small file system does.
  const small = `${fixture.root}/small`;
  fs.mkdirSync(small);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16m', 'none', small]);
  try {
    const mount = { ...step.mount, upperdir: `${small}/upper` };
    const [result] = await runSteps([{ ...step, mount }]);
    assert.equal(result?.output, 'No space left on device\n');
  } finally {
    execFileSync('umount', [small]);
  }
});
