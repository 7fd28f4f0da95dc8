import { createHash, randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import type { Fd } from '../sys/fd.js';
import { flock } from '../sys/file.js';
import { hasCode, UserError } from '../util/errors.js';
import { findFileText, writeFileAtomic } from './atomic-file.js';
import { acquireLock, openLockFile, pause, type WaitOptions } from './lock.js';

/** Who may use a cache at the same time: see the Dockerfile reference, `sharing`. */
export type CacheSharing = 'shared' | 'private' | 'locked';

/** What a cache is found by. */
export interface CacheMountKey {
  readonly id: string;
  /** What it begins with, as text: another beginning is another cache. Empty: nothing. */
  readonly base: string;
}

/** How to get a cache. */
export interface AcquireCache extends WaitOptions {
  readonly key: CacheMountKey;
  readonly sharing: CacheSharing;
  /** Fills the empty directory of a new cache, and sets its owner and mode. */
  readonly fill: (dir: string) => void | Promise<void>;
}

/** A cache in use, until it is disposed of. */
export interface CacheMountLease extends Disposable {
  /** Its files. */
  readonly dir: string;
}

/** A cache of the store, with all its copies. */
export interface CacheMountInfo {
  readonly key: CacheMountKey;
  /** Directories of files; more than one where it was `private` and in use. */
  readonly dirs: readonly string[];
  /** Milliseconds since 1970. */
  readonly usedMs: number;
}

const KEY_FILE = 'key.json';
const MAKING = 'making-';
const POLL_MS = 50;
const NOTICE_MS = 500;
/** Copies of one cache; a private one in use by so many at once is an error of somebody. */
const COPIES_MAX = 1000;

/**
 * The directories behind `RUN --mount=type=cache`: `<hash of the key>/<number>`, which RUNs write
 * as they are, so files have the owners that the user namespace gives them. A lock per directory
 * says who uses it; it ends with its owner, however that dies.
 */
export class CacheMountStore {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  /** Finds or makes a cache that may be used as `sharing` says; a locked one is waited for. */
  async acquire(options: AcquireCache): Promise<CacheMountLease> {
    const { key, signal, onWait } = options;
    const home = this.#homeOf(key);
    fs.mkdirSync(home, { recursive: true, mode: 0o700 });
    for (let waitedMs = 0; ; waitedMs += POLL_MS) {
      const taken = await this.#tryAcquire(home, options);
      if (taken !== undefined) return taken;
      if (waitedMs === NOTICE_MS) onWait?.(`another RUN uses cache "${key.id}"`);
      await pause(POLL_MS, signal);
    }
  }

  /** The first copy that is there, for oneself: while it is read, nobody changes it. */
  async find(key: CacheMountKey, options: WaitOptions = {}): Promise<CacheMountLease | undefined> {
    const [dir] = copiesIn(this.#homeOf(key));
    if (dir === undefined) return undefined;
    const fd = await acquireLock(lockOf(dir), 'exclusive', `another RUN uses "${key.id}"`, options);
    return leaseOf(dir, fd);
  }

  has(key: CacheMountKey): boolean {
    return copiesIn(this.#homeOf(key)).length > 0;
  }

  list(): CacheMountInfo[] {
    return fs.readdirSync(this.#root).flatMap((name) => {
      const home = path.join(this.#root, name);
      const key = readKey(home);
      if (key === undefined) return [];
      const { mtimeMs } = fs.statSync(path.join(home, KEY_FILE));
      return [{ key, dirs: copiesIn(home), usedMs: mtimeMs }];
    });
  }

  /** Homes of caches that nobody can name any more: somebody's removal of them failed halfway. */
  listLeftovers(): string[] {
    const homes = fs.readdirSync(this.#root).map((name) => path.join(this.#root, name));
    return homes.filter((home) => readKey(home) === undefined);
  }

  /**
   * Removes a cache. INVARIANT: nobody else has the store open. Files that belong to other ids of
   * a user namespace can be removed from within it only.
   */
  remove(key: CacheMountKey): void {
    fs.rmSync(this.#homeOf(key), { recursive: true, force: true });
  }

  #homeOf({ id, base }: CacheMountKey): string {
    const name = createHash('sha256')
      .update(JSON.stringify([id, base]))
      .digest('hex');
    return path.join(this.#root, name);
  }

  /** Undefined: a locked cache is in use. */
  async #tryAcquire(home: string, options: AcquireCache): Promise<CacheMountLease | undefined> {
    const { key, sharing, fill, ...wait } = options;
    const what = `another tsbuild makes cache "${key.id}"`;
    using _making = await acquireLock(path.join(home, 'lock'), 'exclusive', what, wait);
    const copies = copiesIn(home);
    for (const dir of copies) {
      const fd = openLockFile(lockOf(dir));
      if (flock(fd, sharing === 'shared' ? 'shared' : 'exclusive', { wait: false })) {
        touchKey(home);
        return leaseOf(dir, fd);
      }
      fd.close();
    }
    if (sharing === 'locked' && copies.length > 0) return undefined;
    return await makeCopy(home, { key, number: copies.length, fill, sharing });
  }
}

async function makeCopy(
  home: string,
  {
    key,
    number,
    fill,
    sharing,
  }: Pick<AcquireCache, 'key' | 'fill' | 'sharing'> & { number: number },
): Promise<CacheMountLease> {
  if (number >= COPIES_MAX) {
    throw new UserError('TSB_LIMIT', `Cannot use cache "${key.id}": ${number} copies are in use`);
  }
  removeLeftovers(home);
  const making = path.join(home, `${MAKING}${randomBytes(8).toString('hex')}`);
  const dir = path.join(home, String(number));
  fs.mkdirSync(making, { mode: 0o755 });
  try {
    await fill(making);
    writeFileAtomic(home, KEY_FILE, JSON.stringify(key));
    fs.renameSync(making, dir);
  } catch (error) {
    fs.rmSync(making, { recursive: true, force: true });
    throw error;
  }
  const fd = openLockFile(lockOf(dir));
  // Nobody has heard of it yet.
  flock(fd, sharing === 'shared' ? 'shared' : 'exclusive', { wait: true });
  return leaseOf(dir, fd);
}

function leaseOf(dir: string, fd: Fd): CacheMountLease {
  return { dir, [Symbol.dispose]: () => fd[Symbol.dispose]() };
}

function lockOf(dir: string): string {
  return `${dir}.lock`;
}

/** The directories of a cache, first one first. */
function copiesIn(home: string): string[] {
  const names = readNames(home).filter((name) => /^\d+$/.test(name));
  return names.sort((a, b) => Number(a) - Number(b)).map((name) => path.join(home, name));
}

/** What somebody who died was filling. */
function removeLeftovers(home: string): void {
  for (const name of readNames(home)) {
    if (name.startsWith(MAKING)) fs.rmSync(path.join(home, name), { recursive: true, force: true });
  }
}

function readNames(dir: string): string[] {
  try {
    return fs.readdirSync(dir);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return [];
    throw error;
  }
}

function touchKey(home: string): void {
  const now = new Date();
  try {
    fs.utimesSync(path.join(home, KEY_FILE), now, now);
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
  }
}

function readKey(home: string): CacheMountKey | undefined {
  const text = findFileText(path.join(home, KEY_FILE));
  if (text === undefined) return undefined;
  const { id, base } = JSON.parse(text) as Partial<CacheMountKey>;
  return typeof id === 'string' && typeof base === 'string' ? { id, base } : undefined;
}
