import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } from '../sys/constants.js';
import type { Fd } from '../sys/fd.js';
import { flock, tryOpenat } from '../sys/file.js';
import { fstat, fstatat } from '../sys/stat.js';
import { assert } from '../util/assert.js';
import { hasCode } from '../util/errors.js';
import { explainNoSpace } from './no-space.js';

/** Somebody who cleans up may take a directory before its maker has locked it. */
const CREATE_TRIES_MAX = 100;

/** A directory that is gone when its owner is: removed at disposal, else by the next tsbuild. */
export class WorkDir implements AsyncDisposable, Disposable {
  readonly path: string;
  readonly #lock: Fd;

  constructor(dir: string, lock: Fd) {
    this.path = dir;
    this.#lock = lock;
  }

  [Symbol.dispose](): void {
    try {
      removeTree(this.path);
    } finally {
      this.#lock[Symbol.dispose]();
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    this[Symbol.dispose]();
    return Promise.resolve();
  }
}

/** Removes a directory; what cannot be removed now (a mount in it) is left for the next time. */
function removeTree(dir: string): void {
  try {
    fs.rmSync(dir, { recursive: true, force: true });
  } catch (error) {
    if (!hasCode(error, 'EBUSY', 'ENOTCONN', 'ENOTEMPTY')) throw error;
  }
}

function openDir(dir: string): Fd | undefined {
  return tryOpenat(undefined, dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

/** The work directories of a store, each held by a flock on itself. */
export class WorkArea {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  /** Makes an empty directory, mode 0700, on the store's file system. */
  create(): WorkDir {
    for (let tries = 0; tries < CREATE_TRIES_MAX; tries++) {
      const dir = path.join(this.#root, randomBytes(8).toString('hex'));
      try {
        fs.mkdirSync(dir, { mode: 0o700 });
      } catch (error) {
        throw explainNoSpace(error, dir);
      }
      const lock = openDir(dir);
      if (lock === undefined) continue;
      const locked = flock(lock, 'exclusive', { wait: false });
      if (locked && fstatat(undefined, dir)?.ino === fstat(lock).ino) return new WorkDir(dir, lock);
      lock[Symbol.dispose]();
    }
    assert(false, 'a work directory can be made');
  }

  /** Removes the directories whose owners are gone. */
  removeStale(): void {
    for (const name of fs.readdirSync(this.#root)) {
      const dir = path.join(this.#root, name);
      using lock = openDir(dir);
      if (lock !== undefined && flock(lock, 'exclusive', { wait: false })) removeTree(dir);
    }
  }
}
