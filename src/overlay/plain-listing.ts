import { DT_BLK, DT_DIR, DT_FIFO, DT_LNK, DT_REG, DT_SOCK } from '../sys/constants.js';

/*
 * What a directory's listing says of a name, as one number less than 0: inode number and d_type.
 */

/** Beyond it, the two do not fit. */
const INO_MAX = 2 ** 48;
/** Values of d_type. */
const TYPES = 16;
/** Those that no whiteout has: devices may be some, and DT_UNKNOWN is anything. */
const TELLING_TYPES: ReadonlySet<number> = new Set([
  ...[DT_DIR, DT_REG, DT_LNK],
  ...[DT_FIFO, DT_SOCK, DT_BLK],
]);

/** The number of a name. */
export function listed(ino: number, type: number): number {
  return ino > INO_MAX ? -1 : -1 - (ino * TYPES + type);
}

/** d_type. */
export function typeOfListed(listed: number): number {
  return (-1 - listed) % TYPES;
}

/** Inode number. */
export function inoOfListed(listed: number): number {
  return Math.floor((-1 - listed) / TYPES);
}

/** Whether a type says enough of an inode. */
export function isTelling(type: number): boolean {
  return TELLING_TYPES.has(type);
}
