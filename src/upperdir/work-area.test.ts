import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import test, { type TestContext } from 'node:test';

import { OverlayFileSystem } from '../overlay/overlay-filesystem.js';
import { Overlay } from '../overlay/overlay.js';
import { Shell } from '../testing/overlay-fixture.js';
import { diffSnapshots, snapshotTree } from '../testing/tree-snapshot.js';
import { OpenDir } from './directories.js';
import { Owners } from './owners.js';
import { WorkArea } from './work-area.js';

const OWNERS = new Owners({
  uids: [],
  gids: [],
  squashUid: undefined,
  squashGid: undefined,
  statXattr: undefined,
});

/** A lower, an upper and a work directory, with an overlay of them in this process. */
class Trial {
  readonly root: string;
  readonly warnings: string[] = [];

  constructor(t: TestContext) {
    this.root = fs.mkdtempSync(path.join(os.tmpdir(), 'tsbuild-upperdir-'));
    t.after(() => fs.rmSync(this.root, { recursive: true, force: true }));
    for (const dir of ['lower/d/sub', 'lower/e', 'upper/old', 'work']) {
      fs.mkdirSync(path.join(this.root, dir), { recursive: true });
    }
    for (const file of ['lower/f', 'lower/d/x', 'lower/d/sub/y', 'lower/e/z', 'upper/old/o']) {
      fs.writeFileSync(path.join(this.root, file), `${file}\n`);
    }
  }

  dir(name: string): string {
    return path.join(this.root, name);
  }

  /** Opens the area, changes the tree, and writes; returns what was shown before. */
  mount(
    change: (shell: Shell) => void,
    beforeChange: (index: number) => void = () => undefined,
  ): Map<string, string> {
    using upper = OpenDir.open('upperdir', this.dir('upper'));
    using work = OpenDir.open('workdir', this.dir('work'));
    const warn = (text: string): void => void this.warnings.push(text);
    const options = { upper, work, warn, userXattr: false, isSynced: false, owners: OWNERS };
    using area = WorkArea.open({ ...options, beforeChange });
    using overlay = Overlay.open({
      lowers: ['lower', 'upper'].map((name) => ({ kind: 'plain', dir: this.dir(name) })),
      layerDirOf: () => '',
      upperdir: area.contentsDir,
    });
    const shell = new Shell(new OverlayFileSystem(overlay));
    change(shell);
    const shown = show(shell);
    assert.deepEqual(area.write(overlay), []);
    return shown;
  }

  /** What the mount shows. */
  show(): Map<string, string> {
    return this.mount(() => undefined);
  }
}

function show(shell: Shell, at = ''): Map<string, string> {
  const shown = new Map<string, string>();
  for (const name of shell.ls(at === '' ? '/' : at).sort()) {
    const file = `${at}/${name}`;
    const { mode, uid, gid, size, mtimeSec, mtimeNsec, nlink } = shell.stat(file);
    const isDir = (mode & 0o170000) === 0o040000;
    const content = (mode & 0o170000) === 0o100000 ? shell.read(file) : '';
    const sized = isDir ? '' : `${size} ${nlink}`;
    shown.set(file, `${mode} ${uid}:${gid} ${mtimeSec}.${mtimeNsec} ${sized} ${content}`);
    if (isDir) for (const [inner, line] of show(shell, file)) shown.set(inner, line);
  }
  return shown;
}

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
  const trial = new Trial(t);
  const shown = trial.mount(changeAll);
  assert.deepEqual(trial.show(), shown);
  assert.deepEqual(fs.readdirSync(trial.dir('work')), []);
});

test('WorkArea writes a lower file under all its names, those that nobody looked up too', (t) => {
  const trial = new Trial(t);
  for (const name of ['d/sub/f2', 'e/f3'])
    fs.linkSync(trial.dir('lower/f'), trial.dir(`lower/${name}`));
  const shown = trial.mount((shell) => shell.pwrite('/f', 'F', 0));
  assert.deepEqual(trial.show(), shown);
  assert.equal(fs.statSync(trial.dir('upper/d/sub/f2')).nlink, 3);
  assert.equal(fs.readFileSync(trial.dir('upper/e/f3'), 'latin1')[0], 'F');
});

test('WorkArea leaves an upper directory alone that nothing changed in', (t) => {
  const trial = new Trial(t);
  const before = snapshotTree(trial.dir('upper'), { nanoseconds: true });
  trial.show();
  const after = snapshotTree(trial.dir('upper'), { nanoseconds: true });
  assert.deepEqual(diffSnapshots(before, after), []);
});

test('WorkArea keeps the inode of an upper file that was renamed', (t) => {
  const trial = new Trial(t);
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
  const trial = new Trial(t);
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
  const shown = [...new Trial(t).mount(changeAll).keys()];
  for (let at = 0; ; at++) {
    const trial = new Trial(t);
    if (!crashes(trial, at)) break;
    assert.ok(fs.existsSync(trial.dir('work/tsbuild/journal')));
    assert.deepEqual([...trial.show().keys()], shown, `after a crash at change ${at}`);
    assert.deepEqual(fs.readdirSync(trial.dir('work')), []);
    assert.match(trial.warnings.join(), /Finishing what an earlier mount began/);
    assert.ok(at < 100, 'there are not so many changes');
  }
});

/** Writes the changes, but dies before the `at`th; false: there are not so many. */
function crashes(trial: Trial, at: number): boolean {
  try {
    trial.mount(changeAll, (index) => {
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
  const trial = new Trial(t);
  assert.ok(crashes(trial, 2));
  fs.renameSync(trial.dir('upper'), trial.dir('other'));
  fs.mkdirSync(trial.dir('upper'));
  assert.throws(() => trial.show(), { code: 'TSB_USAGE', message: /changes of another upperdir/ });
});
