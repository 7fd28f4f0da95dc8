import fs from 'node:fs';
import path from 'node:path';

import type { Overlay } from '../overlay/overlay.js';
import { PlainLower } from '../overlay/plain-lower.js';
import { O_CREAT, O_WRONLY } from '../sys/constants.js';
import { fallocate, openat, syncfs } from '../sys/file.js';
import { assert } from '../util/assert.js';
import { UserError, hasCode } from '../util/errors.js';
import { applyChanges, type ApplyDirs } from './apply.js';
import { findChanges } from './changes.js';
import type { OpenDir } from './directories.js';
import type { Owners } from './owners.js';
import { lossError } from './failure.js';
import type { Loss } from './loss.js';
import { readJournal, removeJournal, writeJournal } from './journal.js';
import { removeTree } from './remove-tree.js';
import { Stage } from './stage.js';
import { probeFormat, type UpperFormat } from './upper-format.js';

const NAME = 'tsbuild';
/** All that a mount leaves there. */
const INNER_NAMES = ['contents', 'stage', 'trash', 'reserve', 'journal', 'journal.new'];
/** Kept for the journal, should the disk be full. */
const RESERVE_BYTES = 1024 * 1024;

/** How an area is opened. */
export interface WorkAreaOptions {
  readonly upper: OpenDir;
  readonly work: OpenDir;
  readonly userXattr: boolean;
  readonly owners: Owners;
  /** The disk is waited for, so that a crash of the machine loses nothing. */
  readonly isSynced: boolean;
  readonly warn: (text: string) => void;
  /** Called before each change of the upper directory: what it throws interrupts them. */
  readonly beforeChange?: (index: number) => void;
}

/**
 * What a mount has in its work directory, `tsbuild/`: `contents` while it is mounted; at its end
 * `stage`, what is to be placed, `journal`, `trash`. The upper directory is locked meanwhile.
 * INVARIANT: the upper directory changes only while a journal is there.
 */
export class WorkArea implements Disposable {
  readonly #options: WorkAreaOptions;
  readonly #dir: string;
  readonly #format: UpperFormat;

  private constructor(options: WorkAreaOptions) {
    this.#options = options;
    this.#dir = path.join(options.work.path, NAME);
    this.#assertOurs();
    this.#finishEarlier();
    removeTree(options.work.fd, NAME);
    for (const dir of ['', 'stage', 'trash']) {
      fs.mkdirSync(path.join(this.#dir, dir), { mode: 0o700 });
    }
    this.#format = probeFormat(this.#path('stage'), { userXattr: options.userXattr });
    this.#reserve();
  }

  /** Finishes what an earlier mount has begun to write, and removes the rest of it. */
  static open(options: WorkAreaOptions): WorkArea {
    return new WorkArea(options);
  }

  /** Where contents of changed files go meanwhile; does not exist yet. */
  get contentsDir(): string {
    return path.join(this.#dir, 'contents');
  }

  get format(): UpperFormat {
    return this.#format;
  }

  #path(name: string): Buffer {
    return Buffer.from(path.join(this.#dir, name));
  }

  get #dirs(): ApplyDirs {
    const upper = Buffer.from(this.#options.upper.path);
    return { upper, stage: this.#path('stage'), trash: this.#path('trash') };
  }

  #reserve(): void {
    try {
      using fd = openat(undefined, this.#path('reserve'), O_WRONLY | O_CREAT);
      fallocate(fd, 0, 0, RESERVE_BYTES);
    } catch (error) {
      if (!hasCode(error, 'ENOSPC', 'EDQUOT', 'EOPNOTSUPP', 'ENOTSUP')) throw error;
    }
  }

  /** What the user has under that name is not to be removed. */
  #assertOurs(): void {
    const { work } = this.#options;
    const found = fs.existsSync(this.#dir) ? fs.readdirSync(this.#dir) : [];
    const other = found.find((name) => !INNER_NAMES.includes(name));
    if (other === undefined) return;
    const message = `Cannot use workdir '${work.name}': found '${other}' in its '${NAME}'`;
    throw new UserError('TSB_USAGE', `${message}, want an empty directory`, {
      hint: 'Make a directory that is used for nothing else',
    });
  }

  #finishEarlier(): void {
    const { upper, work, warn } = this.#options;
    const dir = Buffer.from(this.#dir);
    const journal = readJournal(dir);
    if (journal === undefined) return;
    if (journal.upper !== upper.ino) {
      throw new UserError(
        'TSB_USAGE',
        `Cannot use workdir '${work.name}' with upperdir '${upper.name}': ` +
          'found changes of another upperdir in it, want them to be written there first',
        { hint: 'mount the upperdir that it was used with once more' },
      );
    }
    warn(`Finishing what an earlier mount began to write into ${upper.name}`);
    const losses = this.#apply(journal.changes);
    if (losses.length > 0) warn(lossError(upper, losses).message);
  }

  /** Writes the changes of the overlay's tree into the upper directory; returns what cannot be. */
  write(overlay: Overlay): readonly Loss[] {
    const { tree } = overlay;
    const upper = tree.layers.at(-1);
    assert(upper instanceof PlainLower, 'the topmost layer is the upper directory');
    const { contents } = tree;
    const format = this.#format;
    const stage = new Stage({
      contents,
      upper,
      dir: this.#path('stage'),
      format,
      owners: this.#options.owners,
    });
    const { changes, losses } = findChanges(tree, upper, stage);
    if (changes.length === 0) return losses;
    fs.rmSync(this.#path('reserve'), { force: true });
    const { isSynced, work } = this.#options;
    if (isSynced) syncfs(work.fd);
    const journal = { upper: this.#options.upper.ino, changes };
    writeJournal(Buffer.from(this.#dir), journal, isSynced);
    return [...losses, ...this.#apply(changes)];
  }

  #apply(changes: Parameters<typeof applyChanges>[0]): readonly Loss[] {
    const losses = applyChanges(changes, this.#dirs, this.#options.beforeChange);
    if (this.#options.isSynced) syncfs(this.#options.work.fd);
    removeJournal(Buffer.from(this.#dir));
    return losses;
  }

  /** Removes the area, unless a journal is left that waits to be applied. */
  [Symbol.dispose](): void {
    if (fs.existsSync(path.join(this.#dir, 'journal'))) return;
    try {
      removeTree(this.#options.work.fd, NAME);
    } catch (error) {
      this.#options.warn(`Cannot remove '${this.#options.work.name}/${NAME}': ${String(error)}`);
    }
  }
}
