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
