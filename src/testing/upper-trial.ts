import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';

import { OverlayFileSystem } from '../overlay/overlay-filesystem.js';
import { Overlay } from '../overlay/overlay.js';
import { OpenDir } from '../upperdir/directories.js';
import type { Loss } from '../upperdir/loss.js';
import { Owners } from '../upperdir/owners.js';
import { WorkArea } from '../upperdir/work-area.js';
import { Shell } from './overlay-fixture.js';

const OWNERS = new Owners({
  uids: [],
  gids: [],
  squashUid: undefined,
  squashGid: undefined,
  statXattr: undefined,
});

/** A lower, an upper and a work directory, with an overlay of them in this process. */
export class UpperTrial {
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
    let shown = new Map<string, string>();
    const changeAndShow = (shell: Shell): void => {
      change(shell);
      shown = showTree(shell);
    };
    assert.deepEqual(this.#mount(changeAndShow, beforeChange), []);
    return shown;
  }

  /** The same; shows nothing, and returns what could not be written. */
  mountWithLosses(change: (shell: Shell) => void): readonly Loss[] {
    return this.#mount(change, () => undefined);
  }

  #mount(change: (shell: Shell) => void, beforeChange: (index: number) => void): readonly Loss[] {
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
    change(new Shell(new OverlayFileSystem(overlay)));
    return area.write(overlay);
  }

  /** What the mount shows. */
  show(): Map<string, string> {
    return this.mount(() => undefined);
  }
}

/** One line for each file: metadata and content. */
export function showTree(shell: Shell, at = ''): Map<string, string> {
  const shown = new Map<string, string>();
  for (const name of shell.ls(at === '' ? '/' : at).sort()) {
    const file = `${at}/${name}`;
    const { mode, uid, gid, size, mtimeSec, mtimeNsec, nlink } = shell.stat(file);
    const isDir = (mode & 0o170000) === 0o040000;
    const content = (mode & 0o170000) === 0o100000 ? shell.read(file) : '';
    const sized = isDir ? '' : `${size} ${nlink}`;
    shown.set(file, `${mode} ${uid}:${gid} ${mtimeSec}.${mtimeNsec} ${sized} ${content}`);
    if (isDir) for (const [inner, line] of showTree(shell, file)) shown.set(inner, line);
  }
  return shown;
}
