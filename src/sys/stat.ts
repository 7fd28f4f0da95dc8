import {
  AT_EMPTY_PATH,
  AT_NO_AUTOMOUNT,
  AT_STATX_DONT_SYNC,
  AT_SYMLINK_NOFOLLOW,
} from './constants.js';
import type { Fd } from './fd.js';
import { dirfd } from './file.js';
import type { PathLike } from './libc.js';
import { check, failure, libc, pathArg } from './libc.js';

/**
 * statx(2). `blocks` are of 512 bytes; seconds may be negative. (`dev`, `ino`) name the inode:
 * `ino` is the number's low 53 bits, `dev` is `major:minor`, with the high bits behind another
 * colon where there are any.
 */
export interface Statx {
  readonly ino: number;
  readonly dev: string;
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly blocks: number;
  readonly rdevMajor: number;
  readonly rdevMinor: number;
  readonly atimeSec: number;
  readonly atimeNsec: number;
  readonly mtimeSec: number;
  readonly mtimeNsec: number;
  readonly ctimeSec: number;
  readonly ctimeNsec: number;
  readonly blksize: number;
}

/** Offsets in struct statx, 256 bytes. Source: linux/stat.h. */
const STATX = {
  blksize: 4,
  nlink: 16,
  uid: 20,
  gid: 24,
  mode: 28,
  ino: 32,
  size: 40,
  blocks: 48,
  atime: 64,
  ctime: 96,
  mtime: 112,
  rdevMajor: 128,
  rdevMinor: 132,
  devMajor: 136,
  devMinor: 140,
} as const;
const STATX_BYTES = 256;
const STATX_BASIC_STATS = 0x7ff;
const TWO_32 = 2 ** 32;
const HIGH_SAFE = 0x1fffff;

const scratch = Buffer.alloc(STATX_BYTES);
const view = new DataView(scratch.buffer, scratch.byteOffset, STATX_BYTES);

/** The inode of an open descriptor (O_PATH ones too). */
export function fstat(fd: Fd): Statx {
  check(libc.statx(fd.raw, '', AT_EMPTY_PATH, STATX_BASIC_STATS, scratch), 'statx');
  return decodeStatx();
}

/**
 * The inode of a path; undefined where it does not exist (ENOENT, ENOTDIR). `cached`: as the
 * kernel knows it, without asking a file system's server.
 */
export function fstatat(
  dir: Fd | undefined,
  path: PathLike,
  options: { readonly follow?: boolean; readonly cached?: boolean } = {},
): Statx | undefined {
  const flags =
    AT_NO_AUTOMOUNT |
    (options.follow === true ? 0 : AT_SYMLINK_NOFOLLOW) |
    (options.cached === true ? AT_STATX_DONT_SYNC : 0);
  const arg = pathArg(path, 'statx');
  if (libc.statx(dirfd(dir), arg, flags, STATX_BASIC_STATS, scratch) < 0) {
    const error = failure('statx', path);
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
    throw error;
  }
  return decodeStatx();
}

function decodeStatx(): Statx {
  const inoHigh = u32(STATX.ino + 4);
  const dev = `${u32(STATX.devMajor)}:${u32(STATX.devMinor)}`;
  return {
    ino: (inoHigh & HIGH_SAFE) * TWO_32 + u32(STATX.ino),
    dev: inoHigh > HIGH_SAFE ? `${dev}:${inoHigh >>> 21}` : dev,
    mode: view.getUint16(STATX.mode, true),
    nlink: u32(STATX.nlink),
    uid: u32(STATX.uid),
    gid: u32(STATX.gid),
    size: i64(STATX.size),
    blocks: i64(STATX.blocks),
    rdevMajor: u32(STATX.rdevMajor),
    rdevMinor: u32(STATX.rdevMinor),
    atimeSec: i64(STATX.atime),
    atimeNsec: u32(STATX.atime + 8),
    mtimeSec: i64(STATX.mtime),
    mtimeNsec: u32(STATX.mtime + 8),
    ctimeSec: i64(STATX.ctime),
    ctimeNsec: u32(STATX.ctime + 8),
    blksize: u32(STATX.blksize),
  };
}

function u32(offset: number): number {
  return view.getUint32(offset, true);
}

function i64(offset: number): number {
  return view.getInt32(offset + 4, true) * TWO_32 + view.getUint32(offset, true);
}

/** statfs(2): `type` is the magic number; counts are in units of `bsize` bytes. */
export interface FileSystemStat {
  readonly type: number;
  readonly bsize: number;
  readonly blocks: number;
  readonly bfree: number;
  readonly bavail: number;
  readonly files: number;
  readonly ffree: number;
  readonly namelen: number;
}

const STATFS_BYTES = 120;

/** The file system that holds `path`. */
export function statfs(path: PathLike): FileSystemStat {
  const struct = Buffer.alloc(STATFS_BYTES);
  check(libc.statfs(pathArg(path, 'statfs'), struct), 'statfs', path);
  const word = (index: number): number => Number(struct.readBigUInt64LE(index * 8));
  return {
    type: word(0),
    bsize: word(1),
    blocks: word(2),
    bfree: word(3),
    bavail: word(4),
    files: word(5),
    ffree: word(6),
    namelen: word(8),
  };
}
