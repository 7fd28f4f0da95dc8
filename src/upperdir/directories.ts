import fs from 'node:fs';
import path from 'node:path';

import { AT_EMPTY_PATH, AT_RECURSIVE, O_DIRECTORY, O_PATH, O_RDONLY } from '../sys/constants.js';
import { Fd } from '../sys/fd.js';
import { openat } from '../sys/file.js';
import { MS_PRIVATE, OPEN_TREE_CLONE, mountSetattr, openTree } from '../sys/mount.js';
import { fstat } from '../sys/stat.js';
import { UserError, hasCode } from '../util/errors.js';

/** Where a directory is named on the command line. */
export type DirOption = 'lowerdir' | 'upperdir' | 'workdir' | '--wait';

/** What to do where it is missing. */
function missingHint(option: DirOption, name: string): string | undefined {
  if (option === '--wait') return 'Name the upperdir of the mount';
  return option === 'lowerdir' ? undefined : `mkdir -p ${name}`;
}

/**
 * An open directory. Its files are reached through the descriptor: a mount that covers its path
 * does not cover them.
 */
export class OpenDir implements Disposable {
  /** As it was given. */
  readonly name: string;
  readonly fd: Fd;
  readonly ino: number;
  readonly device: string;

  private constructor(name: string, fd: Fd) {
    this.name = name;
    this.fd = fd;
    const { dev, ino } = fstat(fd);
    this.ino = ino;
    this.device = dev;
  }

  /** Opens a directory of the command line; `option` is where it was named. */
  static open(option: DirOption, name: string): OpenDir {
    try {
      const isLower = option === 'lowerdir';
      const fd = openat(undefined, name, (isLower ? O_PATH : O_RDONLY) | O_DIRECTORY);
      return new OpenDir(name, isLower ? withoutLaterMounts(fd) : fd);
    } catch (error) {
      const why = hasCode(error, 'ENOENT')
        ? 'there is no such directory'
        : hasCode(error, 'ENOTDIR')
          ? 'it is not a directory'
          : hasCode(error, 'EACCES', 'EPERM')
            ? 'permission denied'
            : undefined;
      if (why === undefined) throw error;
      const hint = hasCode(error, 'ENOENT') ? missingHint(option, name) : undefined;
      const message = `Cannot use '${name}' as ${option}: ${why}`;
      throw new UserError('TSB_USAGE', message, { ...(hint && { hint }), cause: error });
    }
  }

  /** A path that leads into it, and not to a link. */
  get path(): string {
    return `/proc/self/fd/${this.fd.raw}/.`;
  }

  [Symbol.dispose](): void {
    this.fd[Symbol.dispose]();
  }
}

/**
 * The same directory in a copy of its mounts of now, so that the mount that is made next is not
 * found below it: its server would wait for itself. The directory as it is where that is refused.
 */
function withoutLaterMounts(dir: Fd): Fd {
  try {
    using copy = openTree(dir, '', OPEN_TREE_CLONE | AT_RECURSIVE | AT_EMPTY_PATH);
    // Of shared mounts the copy is a peer: what is mounted there later would appear in it.
    mountSetattr(copy, '', AT_RECURSIVE, { propagation: MS_PRIVATE });
    dir.close();
    return Fd.adopt(copy.release());
  } catch (error) {
    if (!hasCode(error, 'EPERM', 'EINVAL', 'ENOSPC', 'ENOSYS')) throw error;
    return dir;
  }
}

/** Throws unless the directories can be the upper and the work directory of one mount. */
export function assertPair(upper: OpenDir, work: OpenDir): void {
  if (upper.device !== work.device) {
    throw new UserError(
      'TSB_USAGE',
      `Cannot use workdir '${work.name}': found it on another file system than upperdir ` +
        `'${upper.name}', want the same`,
    );
  }
  const [above, below] = [upper, work].map(({ name }) => fs.realpathSync(name)) as [string, string];
  if (isWithin(above, below) || isWithin(below, above)) {
    throw new UserError(
      'TSB_USAGE',
      `Cannot use workdir '${work.name}' with upperdir '${upper.name}': one is in the other`,
    );
  }
}

function isWithin(dir: string, other: string): boolean {
  const relative = path.relative(dir, other);
  return relative === '' || (relative !== '..' && !relative.startsWith('../'));
}
