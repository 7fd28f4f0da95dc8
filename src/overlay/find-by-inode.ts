import { DT_DIR, DT_UNKNOWN, O_DIRECTORY, O_RDONLY } from '../sys/constants.js';
import { withShortPath } from '../sys/deep-path.js';
import { readDir, type Dirent } from '../sys/directory.js';
import { openat } from '../sys/file.js';
import { fstatat, type Statx } from '../sys/stat.js';
import { byteName, nameBytes, type ByteName } from '../util/byte-name.js';
import { hasCode } from '../util/errors.js';
import { isDirMode } from './node.js';

/** Device and inode number, with a blank between. */
export type InodeKey = `${string} ${number}`;

/** The paths below `root` that lead to one of the inodes. */
export function findByInode(root: Buffer, wanted: ReadonlySet<InodeKey>): ByteName[][] {
  const numbers = new Set([...wanted].map((key) => Number(key.slice(key.lastIndexOf(' ') + 1))));
  const found: ByteName[][] = [];
  const todo: ByteName[][] = [[]];
  for (let dir = todo.pop(); dir !== undefined; dir = todo.pop()) {
    for (const { name, ino, type } of readNames(pathOf(root, dir))) {
      const path = [...dir, name];
      // Beyond, the number of the listing is not exact.
      const isOther = ino <= Number.MAX_SAFE_INTEGER && !numbers.has(ino);
      if (type !== DT_DIR && type !== DT_UNKNOWN && isOther) continue;
      const stat = type === DT_DIR ? undefined : statOf(pathOf(root, path));
      if (type === DT_DIR || (stat !== undefined && isDirMode(stat.mode))) todo.push(path);
      else if (stat !== undefined && wanted.has(`${stat.dev} ${stat.ino}`)) found.push(path);
    }
  }
  return found;
}

/** A file with several names, once for each that is found, below `root` but not in `except`. */
export function* findLinked(root: Buffer, except: ReadonlySet<string>): Generator<Statx> {
  const todo: ByteName[][] = [[]];
  for (let dir = todo.pop(); dir !== undefined; dir = todo.pop()) {
    const at = pathOf(root, dir);
    if (except.has(byteName(at))) continue;
    for (const { name, type } of readNames(at)) {
      const stat = type === DT_DIR ? undefined : statOf(pathOf(at, [name]));
      if (type === DT_DIR || (stat !== undefined && isDirMode(stat.mode)))
        todo.push([...dir, name]);
      else if (stat !== undefined && stat.nlink > 1) yield stat;
    }
  }
}

function pathOf(root: Buffer, names: readonly ByteName[]): Buffer {
  return Buffer.concat([root, ...names.map((name) => nameBytes(`/${name}` as ByteName))]);
}

function readNames(dir: Buffer): Dirent[] {
  return withShortPath(dir, (path) => {
    try {
      using fd = openat(undefined, path, O_RDONLY | O_DIRECTORY);
      return readDir(fd);
    } catch (error) {
      // Nobody gets to the names in it by this process.
      if (hasCode(error, 'EACCES', 'EPERM')) return [];
      throw error;
    }
  });
}

function statOf(path: Buffer): Statx | undefined {
  return withShortPath(path, (at) => fstatat(undefined, at));
}
