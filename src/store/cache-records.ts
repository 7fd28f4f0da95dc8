import fs from 'node:fs';
import path from 'node:path';
import { assert } from '../util/assert.js';
import { hasCode } from '../util/errors.js';
import { findFileText, listNames, tryParseJson, writeFileAtomic } from './atomic-file.js';

const KEY = /^[0-9a-f]{8,128}$/;

/** JSON values under keys of hex digits. The time of a file is that of its last use. */
export class CacheRecords {
  readonly #dir: string;

  constructor(dir: string) {
    this.#dir = dir;
  }

  /** The value; undefined if there is none, or if a crash of the machine has damaged it. */
  get(key: string): Promise<unknown> {
    const file = this.#file(key);
    const text = findFileText(file);
    if (text !== undefined) touch(file);
    return Promise.resolve(text === undefined ? undefined : tryParseJson(text));
  }

  /** Not synced: what is lost is made again. */
  put(key: string, value: unknown): Promise<void> {
    const file = this.#file(key);
    writeFileAtomic(this.#dir, path.basename(file), JSON.stringify(value), { sync: false });
    return Promise.resolve();
  }

  /** Keys with the time of their last use and the bytes and text of their value. */
  list(): { key: string; usedMs: number; text: string }[] {
    return listNames(this.#dir).flatMap((key) => {
      const file = path.join(this.#dir, key);
      const stat = fs.statSync(file, { throwIfNoEntry: false });
      const text = findFileText(file);
      return stat === undefined || text === undefined ? [] : [{ key, usedMs: stat.mtimeMs, text }];
    });
  }

  remove(key: string): void {
    fs.rmSync(path.join(this.#dir, key), { force: true });
  }

  #file(key: string): string {
    assert(KEY.test(key), 'a cache key is hex');
    return path.join(this.#dir, key);
  }
}

function touch(file: string): void {
  const now = new Date();
  try {
    fs.utimesSync(file, now, now);
  } catch (error) {
    // Somebody prunes, or the store is on a read-only disk: the age is a matter of economy only.
    if (!hasCode(error, 'ENOENT', 'EROFS', 'EACCES', 'EPERM')) throw error;
  }
}
