import type { ByteName } from '../util/byte-name.js';
import { byteName } from '../util/byte-name.js';
import {
  AT_EMPTY_PATH,
  AT_REMOVEDIR,
  AT_SYMLINK_FOLLOW,
  AT_SYMLINK_NOFOLLOW,
  PATH_MAX,
} from './constants.js';
import { encodeDev } from './device-number.js';
import type { Fd } from './fd.js';
import { dirfd } from './file.js';
import type { PathLike } from './libc.js';
import { SYS, check, libc, pathArg } from './libc.js';

/** One name of a directory; `type` is d_type, DT_UNKNOWN where the file system does not say. */
export interface Dirent {
  readonly name: ByteName;
  readonly ino: number;
  readonly type: number;
}

/** struct linux_dirent64: ino u64, off s64, reclen u16, type u8, name. Source: linux/dirent.h. */
const DIRENT = { ino: 0, reclen: 16, type: 18, name: 19 } as const;
const GETDENTS_BYTES = 65536;

/** All names of an open directory from its current position, without `.` and `..`, unsorted. */
export function readDir(fd: Fd): Dirent[] {
  const buffer = Buffer.allocUnsafe(GETDENTS_BYTES);
  const entries: Dirent[] = [];
  for (;;) {
    const end = libc.sysGetdents64(SYS.getdents64, fd.raw, buffer, buffer.length);
    check(end, 'getdents64');
    if (end === 0) return entries;
    for (let at = 0; at < end; at += buffer.readUInt16LE(at + DIRENT.reclen)) {
      const entry = decodeDirent(buffer, at);
      if (entry.name !== '.' && entry.name !== '..') entries.push(entry);
    }
  }
}

function decodeDirent(buffer: Buffer, at: number): Dirent {
  const start = at + DIRENT.name;
  return {
    name: byteName(buffer.subarray(start, buffer.indexOf(0, start))),
    ino: Number(buffer.readBigUInt64LE(at + DIRENT.ino)),
    type: buffer.readUInt8(at + DIRENT.type),
  };
}

/** mkdirat(2); the process's umask applies. */
export function mkdirat(dir: Fd | undefined, path: PathLike, mode = 0o700): void {
  check(libc.mkdirat(dirfd(dir), pathArg(path, 'mkdirat'), mode), 'mkdirat', path);
}

/** mknodat(2): `mode` has the type bits. */
export function mknodat(
  dir: Fd | undefined,
  path: PathLike,
  mode: number,
  major = 0,
  minor = 0,
): void {
  const result = libc.mknodat(dirfd(dir), pathArg(path, 'mknodat'), mode, encodeDev(major, minor));
  check(result, 'mknodat', path);
}

/** symlinkat(2): `path` becomes a link to `target`. */
export function symlinkat(target: PathLike, dir: Fd | undefined, path: PathLike): void {
  const targetArg = pathArg(target, 'symlinkat');
  check(libc.symlinkat(targetArg, dirfd(dir), pathArg(path, 'symlinkat')), 'symlinkat', path);
}

/** readlinkat(2): the target's bytes. An empty path reads an O_PATH descriptor of a symlink. */
export function readlinkat(dir: Fd | undefined, path: PathLike): Buffer {
  const buffer = Buffer.allocUnsafe(PATH_MAX);
  const arg = pathArg(path, 'readlinkat');
  const length = check(libc.readlinkat(dirfd(dir), arg, buffer, PATH_MAX), 'readlinkat', path);
  return buffer.subarray(0, length);
}

/**
 * linkat(2), not following `from`. An empty `from` links the descriptor `fromDir` itself
 * (AT_EMPTY_PATH, needs CAP_DAC_READ_SEARCH); `follow` is for /proc/self/fd/N.
 */
export function linkat(
  fromDir: Fd | undefined,
  from: PathLike,
  toDir: Fd | undefined,
  to: PathLike,
  options: { readonly follow?: boolean } = {},
): void {
  const flags =
    (from.length === 0 ? AT_EMPTY_PATH : 0) | (options.follow === true ? AT_SYMLINK_FOLLOW : 0);
  const fromArg = pathArg(from, 'linkat');
  const toArg = pathArg(to, 'linkat');
  check(libc.linkat(dirfd(fromDir), fromArg, dirfd(toDir), toArg, flags), 'linkat', to);
}

/** unlinkat(2); `dir`: remove an empty directory. */
export function unlinkat(
  dir: Fd | undefined,
  path: PathLike,
  options: { readonly dir?: boolean } = {},
): void {
  const flags = options.dir === true ? AT_REMOVEDIR : 0;
  check(libc.unlinkat(dirfd(dir), pathArg(path, 'unlinkat'), flags), 'unlinkat', path);
}

/** renameat2(2); `flags` are of RENAME_*. */
export function renameat2(
  fromDir: Fd | undefined,
  from: PathLike,
  toDir: Fd | undefined,
  to: PathLike,
  flags = 0,
): void {
  const fromArg = pathArg(from, 'renameat2');
  const toArg = pathArg(to, 'renameat2');
  const result = libc.sysRenameat2(
    SYS.renameat2,
    dirfd(fromDir),
    fromArg,
    dirfd(toDir),
    toArg,
    flags,
  );
  check(result, 'renameat2', from);
}

/** fchownat(2), by default of the link itself; an empty path means `dir`; -1 keeps an id. */
export function fchownat(
  dir: Fd | undefined,
  path: PathLike,
  uid: number,
  gid: number,
  options: { readonly follow?: boolean } = {},
): void {
  const flags = linkFlags(path, options.follow);
  const arg = pathArg(path, 'fchownat');
  check(libc.fchownat(dirfd(dir), arg, uid >>> 0, gid >>> 0, flags), 'fchownat', path);
}

/** fchmodat(2): follows symlinks. */
export function fchmodat(dir: Fd | undefined, path: PathLike, mode: number): void {
  check(libc.fchmodat(dirfd(dir), pathArg(path, 'fchmodat'), mode, 0), 'fchmodat', path);
}

/** fchmod(2). */
export function fchmod(fd: Fd, mode: number): void {
  check(libc.fchmod(fd.raw, mode), 'fchmod');
}

/** A point in time: seconds since 1970, may be negative, and 0 to 999999999 nanoseconds. */
export interface Time {
  readonly sec: number;
  readonly nsec: number;
}

const TIMESPEC_BYTES = 16;
const UTIME_OMIT = 0x3ffffffe;

/** utimensat(2), by default of the link itself; a time left out stays; an empty path is `dir`. */
export function utimensat(
  dir: Fd | undefined,
  path: PathLike,
  times: { readonly atime?: Time; readonly mtime?: Time; readonly follow?: boolean },
): void {
  const struct = Buffer.alloc(2 * TIMESPEC_BYTES);
  for (const [index, time] of [times.atime, times.mtime].entries()) {
    struct.writeBigInt64LE(BigInt(time?.sec ?? 0), index * TIMESPEC_BYTES);
    struct.writeBigInt64LE(BigInt(time?.nsec ?? UTIME_OMIT), index * TIMESPEC_BYTES + 8);
  }
  const flags = linkFlags(path, times.follow);
  check(libc.utimensat(dirfd(dir), pathArg(path, 'utimensat'), struct, flags), 'utimensat', path);
}

function linkFlags(path: PathLike, follow: boolean | undefined): number {
  return (path.length === 0 ? AT_EMPTY_PATH : 0) | (follow === true ? 0 : AT_SYMLINK_NOFOLLOW);
}
