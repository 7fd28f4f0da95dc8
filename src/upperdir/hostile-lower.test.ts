import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import test from 'node:test';

import { UpperTrial } from '../testing/upper-trial.js';

/** What the owner of a lower directory may do to it while it is mounted. */
const SWAPS: readonly [string, string, (trial: UpperTrial) => void, RegExp][] = [
  [
    'a directory for a link',
    '/d/x',
    (trial) => {
      fs.renameSync(trial.dir('lower/d'), trial.dir('lower/was'));
      fs.symlinkSync('../outside', trial.dir('lower/d'));
    },
    /^E(LOOP|XDEV|NOTDIR): /,
  ],
  [
    'a file for a link',
    '/d/x',
    (trial) => {
      fs.rmSync(trial.dir('lower/d/x'));
      fs.symlinkSync('../../outside/x', trial.dir('lower/d/x'));
    },
    /^ELOOP: /,
  ],
  [
    'a file for a pipe',
    '/f',
    (trial) => {
      fs.rmSync(trial.dir('lower/f'));
      execFileSync('mkfifo', [trial.dir('lower/f')]);
    },
    /^ESTALE: /,
  ],
];

for (const [what, file, swap, message] of SWAPS) {
  test(`an overlay reads nothing from outside of a lower directory that has swapped ${what}`, (t) => {
    const trial = new UpperTrial(t);
    fs.mkdirSync(trial.dir('outside'));
    fs.writeFileSync(trial.dir('outside/x'), 'secret!!!');
    const losses = trial.mountWithLosses((shell) => {
      shell.stat(file);
      shell.write('/old/new', 'new');
      swap(trial);
      assert.throws(() => shell.read(file), { message });
      shell.mv(file, '/moved');
    });
    assert.deepEqual(
      losses.map(({ path }) => path),
      ['moved'],
    );
    assert.match(losses[0]?.reason ?? '', message);
    assert.equal(fs.readFileSync(trial.dir('upper/old/new'), 'latin1'), 'new');
    assert.ok(!fs.existsSync(trial.dir('upper/moved')));
  });
}
