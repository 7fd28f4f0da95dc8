import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { requires } from '../testing/requires.js';
import { canRead, ensureTestUser } from '../testing/user.js';

const FILES = ['run.test.js', 'reexec.test.js', 'doctor.test.js'].map((name) =>
  fileURLToPath(new URL(name, import.meta.url)),
);
const TIMEOUT_MS = 120_000;

/** As root: the same tests once more, by an ordinary user with subordinate ids. */
test('the tests of a RUN pass for an ordinary user', { timeout: TIMEOUT_MS }, (t) => {
  if (!requires(t, 'root', 'program:newuidmap', 'program:runuser')) return;
  const user = ensureTestUser();
  if (!FILES.every((file) => canRead(user, file))) {
    const reason = `${user.name} cannot read the checkout`;
    if (process.env['CI'] === 'true') throw new Error(`Cannot run this test: ${reason}`);
    t.skip(reason);
    return;
  }
  const { status, stdout } = spawnSync(
    'runuser',
    ['-u', user.name, '--', process.execPath, '--test', ...FILES],
    // Of a test inside a test, the runner would report nothing.
    { encoding: 'utf8', env: { PATH: process.env['PATH'], HOME: user.home }, cwd: '/' },
  );
  assert.equal(status, 0, stdout);
  assert.match(stdout, /^# fail 0$/m);
});
