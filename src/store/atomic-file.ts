import fs from 'node:fs';
import path from 'node:path';
import { randomBytes } from 'node:crypto';
import { hasCode } from '../util/errors.js';
import { explainNoSpace } from './no-space.js';

/** Before the name of a file that is not complete yet. Never part of a listing. */
export const TEMPORARY_PREFIX = '.tmp-';

/** fsync(2) of a directory: its names are on disk afterwards. */
export function syncDirectory(dir: string): void {
  const fd = fs.openSync(dir, 'r');
  try {
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}

/**
 * Replaces `dir/name` by a file of these bytes, mode 0600: a reader sees the old or the new file.
 * `sync` false: after a crash of the machine the file may be damaged.
 */
export function writeFileAtomic(
  dir: string,
  name: string,
  data: Buffer | string,
  { sync = true }: { readonly sync?: boolean } = {},
): void {
  const temporary = path.join(dir, TEMPORARY_PREFIX + randomBytes(8).toString('hex'));
  try {
    const fd = fs.openSync(temporary, 'wx', 0o600);
    try {
      fs.writeFileSync(fd, data);
      if (sync) fs.fsyncSync(fd);
    } finally {
      fs.closeSync(fd);
    }
    fs.renameSync(temporary, path.join(dir, name));
    if (sync) syncDirectory(dir);
  } catch (error) {
    fs.rmSync(temporary, { force: true });
    throw explainNoSpace(error, dir);
  }
}

/** The file's text; undefined if there is none. */
export function findFileText(file: string): string | undefined {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** Names in a directory of the store, temporary ones left out; sorted. */
export function listNames(dir: string): string[] {
  return fs
    .readdirSync(dir)
    .filter((name) => !name.startsWith(TEMPORARY_PREFIX))
    .sort();
}

/** Parses JSON; undefined where it is damaged. */
export function tryParseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
