import assert from 'node:assert/strict';
import fs from 'node:fs';
import test from 'node:test';

import { setxattr } from '../sys/xattr.js';
import type { Shell } from '../testing/overlay-fixture.js';
import { diffSnapshots, snapshotTree } from '../testing/tree-snapshot.js';
import { UpperTrial } from '../testing/upper-trial.js';
import { byteNameOf } from '../util/byte-name.js';
import { hasCode } from '../util/errors.js';

function changeAll(shell: Shell): void {
  shell.rm('/f');
  shell.mv('/d', '/moved');
  shell.mkdir('/d');
  shell.write('/d/new', 'new');
  shell.mv('/old/o', '/d/o');
  shell.ln('/d/new', '/e/link');
  shell.write('/e/z', 'z'.repeat(300_000));
  shell.chmod('/old', 0o700);
  shell.symlink('target', '/s');
  shell.mv('/e', '/moved/e');
}

test('WorkArea writes changes so that they are read as they were shown', (t) => {
  const trial = new UpperTrial(t);
  const shown = trial.mount(changeAll);
  assert.deepEqual(trial.show(), shown);
  assert.deepEqual(fs.readdirSync(trial.dir('work')), []);
});

test('WorkArea writes a lower file under all its names, those that nobody looked up too', (t) => {
  const trial = new UpperTrial(t);
  for (const name of ['d/sub/f2', 'e/f3'])
    fs.linkSync(trial.dir('lower/f'), trial.dir(`lower/${name}`));
  const shown = trial.mount((shell) => shell.pwrite('/f', 'F', 0));
  assert.deepEqual(trial.show(), shown);
  assert.equal(fs.statSync(trial.dir('upper/d/sub/f2')).nlink, 3);
  assert.equal(fs.readFileSync(trial.dir('upper/e/f3'), 'latin1')[0], 'F');
});

test('WorkArea leaves an upper directory alone that nothing changed in', (t) => {
  const trial = new UpperTrial(t);
  const before = snapshotTree(trial.dir('upper'), { nanoseconds: true });
  trial.show();
  const after = snapshotTree(trial.dir('upper'), { nanoseconds: true });
  assert.deepEqual(diffSnapshots(before, after), []);
});

test('WorkArea keeps the inode of an upper file that was renamed', (t) => {
  const trial = new UpperTrial(t);
  const { ino } = fs.statSync(trial.dir('upper/old/o'));
  trial.mount((shell) => {
    shell.mv('/old/o', '/e/o2');
    shell.chmod('/e/o2', 0o600);
  });
  const stat = fs.statSync(trial.dir('upper/e/o2'));
  assert.deepEqual([stat.ino, stat.nlink, stat.mode & 0o777], [ino, 1, 0o600]);
  assert.ok(!fs.existsSync(trial.dir('upper/old/o')));
});

test('WorkArea writes paths longer than PATH_MAX, and reads them', (t) => {
  const trial = new UpperTrial(t);
  const name = 'n'.repeat(250);
  const shown = trial.mount((shell) => {
    let at = '';
    for (let depth = 0; depth < 40; depth++) shell.mkdir((at += `/${name}`));
    shell.write(`${at}/file`, 'deep');
  });
  assert.ok([...shown.values()].some((line) => line.endsWith('deep')));
  assert.deepEqual(trial.show(), shown);
  trial.mount((shell) => shell.rmRf(`/${name}`));
  assert.deepEqual(fs.readdirSync(trial.dir('upper')), ['old']);
});

test('WorkArea finishes what a crash has interrupted, wherever that was', (t) => {
  const shown = [...new UpperTrial(t).mount(changeAll).keys()];
  for (let at = 0; ; at++) {
    const trial = new UpperTrial(t);
    if (!crashes(trial, at)) break;
    assert.ok(fs.existsSync(trial.dir('work/tsbuild/journal')));
    assert.deepEqual([...trial.show().keys()], shown, `after a crash at change ${at}`);
    assert.deepEqual(fs.readdirSync(trial.dir('work')), []);
    assert.match(trial.warnings.join(), /Finishing what an earlier mount began/);
    assert.ok(at < 100, 'there are not so many changes');
  }
});

/** Writes the changes, but dies before the `at`th; false: there are not so many. */
function crashes(trial: UpperTrial, at: number, change = changeAll): boolean {
  try {
    trial.mount(change, (index) => {
      if (index === at) throw new Crash();
    });
    return false;
  } catch (error) {
    if (error instanceof Crash) return true;
    throw error;
  }
}

class Crash extends Error {}

test('WorkArea refuses a work directory that waits for another upper directory', (t) => {
  const trial = new UpperTrial(t);
  assert.ok(crashes(trial, 2));
  fs.renameSync(trial.dir('upper'), trial.dir('other'));
  fs.mkdirSync(trial.dir('upper'));
  assert.throws(() => trial.show(), { code: 'TSB_USAGE', message: /changes of another upperdir/ });
});

test('WorkArea refuses a journal that reaches out of the upper directory', (t) => {
  for (const [at, staged] of [
    ['../out', '1'],
    ['old/../../out', '1'],
    ['in', '../../lower/f'],
  ]) {
    const trial = new UpperTrial(t);
    fs.mkdirSync(trial.dir('work/tsbuild/stage'), { recursive: true });
    fs.writeFileSync(trial.dir('work/tsbuild/stage/1'), 'x');
    const { ino } = fs.statSync(trial.dir('upper'));
    const lines = [{ version: 1, upper: ino }, { kind: 'place', at, staged }, { end: 1 }];
    const journal = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
    fs.writeFileSync(trial.dir('work/tsbuild/journal'), journal);
    assert.throws(() => trial.show(), { code: 'TSB_BUILD', message: /is damaged/ });
    assert.deepEqual(fs.readdirSync(trial.root).sort(), ['lower', 'upper', 'work']);
    assert.deepEqual(fs.readdirSync(trial.dir('upper')), ['old']);
  }
});

test('WorkArea does not take a directory of the user for its own', (t) => {
  const trial = new UpperTrial(t);
  fs.mkdirSync(trial.dir('work/tsbuild/src'), { recursive: true });
  assert.throws(() => trial.show(), { code: 'TSB_USAGE', message: /found 'src' in its 'tsbuild'/ });
  assert.ok(fs.existsSync(trial.dir('work/tsbuild/src')));
});

/** More than one block of ext4, which keeps attributes in one. */
const LARGE = 'x'.repeat(40_000);
const LARGE_NAME = byteNameOf('user.large');

function takesLarge(trial: UpperTrial): boolean {
  try {
    setxattr(Buffer.from(trial.dir('lower/f')), LARGE_NAME, Buffer.from(LARGE));
    return true;
  } catch (error) {
    if (hasCode(error, 'ENOSPC', 'E2BIG', 'ERANGE')) return false;
    throw error;
  }
}

test('WorkArea keeps files with attributes that the disk does not take, and tells', (t) => {
  const trial = new UpperTrial(t);
  if (takesLarge(trial)) {
    t.skip('the file system takes large attributes');
    return;
  }
  const spoil = (shell: Shell): void => {
    for (const path of ['/f', '/moved', '/old/o']) shell.setxattr(path, LARGE_NAME, LARGE);
  };
  const losses = trial.mountWithLosses((shell) => {
    shell.mv('/d', '/moved');
    shell.chmod('/old/o', 0o604);
    spoil(shell);
  });
  assert.deepEqual(losses.map(({ path }) => path).sort(), ['f', 'moved', 'old/o']);
  const shown = trial.show();
  assert.match(shown.get('/f') ?? '', /lower\/f/);
  assert.match(shown.get('/moved/sub/y') ?? '', /lower\/d\/sub\/y/);
  assert.equal(fs.statSync(trial.dir('upper/old/o')).mode & 0o777, 0o604);
  // What a crash interrupts is told, too, when it is finished.
  assert.ok(crashes(trial, 0, spoil));
  assert.deepEqual(trial.show(), shown);
  assert.match(trial.warnings.join(), /Cannot write into '.*': 'f' \(\w+: setxattr/);
  // All three are the upper directory's: none keeps later mounts from their end.
  assert.equal(trial.mountWithLosses(spoil).length, 3);
  assert.deepEqual(fs.readdirSync(trial.dir('work')), []);
  assert.deepEqual(trial.show(), shown);
});
