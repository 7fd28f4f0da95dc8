import type { WHITEOUT } from '../layer/types.js';
import type { Statx } from '../sys/stat.js';
import type { ByteName } from '../util/byte-name.js';
import type { InodeKey } from './find-by-inode.js';
import type { Handle } from './lower.js';
import type { Marks } from './overlay-xattrs.js';

/** By name: a whiteout, a handle, or (less than 0) what a listing says of it. */
export type Names = Map<ByteName, Handle | typeof WHITEOUT>;

const BLANK = { names: undefined, replaced: undefined, marks: undefined, opaque: undefined };

/** What is known of one inode. */
export interface PlainInode {
  readonly path: Buffer;
  readonly mode: number;
  readonly nlink: number;
  readonly dev: string;
  readonly ino: number;
  /** Everything else, until it was loaded. */
  stat: Statx | undefined;
  /** Of a directory that was read. */
  names: Names | undefined;
  /** Of a directory that was read: directories that have a whiteout beside them. */
  replaced: Set<ByteName> | undefined;
  /** Of a directory: has a whiteout beside it. */
  readonly isReplaced: boolean;
  /** Of a directory: what overlay file systems noted, once it was asked for. */
  marks: Marks | undefined;
  opaque: boolean | undefined;
}

/** Names an inode among all. */
export function keyOf({ dev, ino }: PlainInode): InodeKey {
  return `${dev} ${ino}`;
}

/** What one stat tells of an inode. */
export function newInode(path: Buffer, stat: Statx, isReplaced: boolean): PlainInode {
  const { mode, nlink, dev, ino } = stat;
  return { path, mode, nlink, dev, ino, stat, isReplaced, ...BLANK };
}
