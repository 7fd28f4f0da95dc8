import { DT_DIR, DT_UNKNOWN, O_DIRECTORY, O_NOFOLLOW, O_RDONLY } from '../sys/constants.js';
import { readDir, renameat2, unlinkat } from '../sys/directory.js';
import type { Fd } from '../sys/fd.js';
import { openat, tryOpenat } from '../sys/file.js';
import { fstatat } from '../sys/stat.js';
import { isDirMode } from '../overlay/node.js';
import { nameBytes } from '../util/byte-name.js';

const FLAGS = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;

/**
 * Removes a directory and all in it, however deep that is: what lies deeper is moved up first.
 * One that is not there is no error.
 */
export function removeTree(parent: Fd, name: string): void {
  {
    using top = tryOpenat(parent, name, FLAGS);
    if (top === undefined) return;
    const todo: Buffer[] = [];
    let moved = 0;
    const empty = (dir: Fd): void => {
      for (const entry of readDir(dir)) {
        const bytes = nameBytes(entry.name);
        if (!isDirectory(dir, bytes, entry.type)) {
          unlinkat(dir, bytes);
          continue;
        }
        // No name that a layer could have at this place: there are only such.
        const to = Buffer.from(`removed ${++moved}`);
        if (dir === top) todo.push(bytes);
        else {
          renameat2(dir, bytes, top, to);
          todo.push(to);
        }
      }
    };
    empty(top);
    for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
      {
        using dir = openat(top, next, FLAGS);
        empty(dir);
      }
      unlinkat(top, next, { dir: true });
    }
  }
  unlinkat(parent, name, { dir: true });
}

function isDirectory(dir: Fd, name: Buffer, type: number): boolean {
  if (type !== DT_UNKNOWN) return type === DT_DIR;
  const stat = fstatat(dir, name);
  return stat !== undefined && isDirMode(stat.mode);
}
