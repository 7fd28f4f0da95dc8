import type { FuseMount } from '../fuse/mount/mount.js';
import { UserError, hasCode, messageOf } from '../util/errors.js';

/** Takes an operation's result: a count or 0, or the negative errno; and what it gives. */
export type Done<T = never, U = never> = (result: number, value?: T, second?: U) => void;

/** What an operation answers, for {@link Done}. */
export type Answer<T = never, U = never> = readonly [number, (T | undefined)?, (U | undefined)?];

/** stat(2)'s fields as the package takes them: milliseconds, 32-bit `ino`. */
export interface PathStat {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly nlink: number;
  readonly ino: number;
  readonly rdev: number;
  readonly blksize: number;
  readonly blocks: number;
  readonly atime: number;
  readonly mtime: number;
  readonly ctime: number;
}

/** statvfs(3)'s fields, 32 bits each. */
export interface PathStatFs {
  readonly bsize: number;
  readonly frsize: number;
  readonly blocks: number;
  readonly bfree: number;
  readonly bavail: number;
  readonly files: number;
  readonly ffree: number;
  readonly favail: number;
  readonly namemax: number;
}

/** What a listing says of a name. */
export interface PathEntry {
  readonly mode: number;
  readonly ino: number;
}

/** The package's callbacks, by path. Left out: ENOSYS. */
export interface PathOperations {
  statfs?(path: string, done: Done<PathStatFs>): void;
  getattr?(path: string, done: Done<PathStat>): void;
  readdir?(path: string, done: Done<string[], PathEntry[]>): void;
  readlink?(path: string, done: Done<string>): void;
  truncate?(path: string, size: number, done: Done): void;
  ftruncate?(path: string, fd: number, size: number, done: Done): void;
  utimens?(path: string, atimeMs: number, mtimeMs: number, done: Done): void;
  chown?(path: string, uid: number, gid: number, done: Done): void;
  chmod?(path: string, mode: number, done: Done): void;
  mknod?(path: string, mode: number, dev: number, done: Done): void;
  mkdir?(path: string, mode: number, done: Done): void;
  symlink?(target: string, path: string, done: Done): void;
  link?(from: string, path: string, done: Done): void;
  unlink?(path: string, done: Done): void;
  rmdir?(path: string, done: Done): void;
  rename?(from: string, to: string, done: Done): void;
  open?(path: string, flags: number, done: Done<number>): void;
  create?(path: string, mode: number, done: Done<number>): void;
  read?(...args: [string, number, Buffer, number, number, Done]): void;
  write?(...args: [string, number, Buffer, number, number, Done]): void;
  flush?(path: string, fd: number, done: Done): void;
  fsync?(path: string, datasync: number, fd: number, done: Done): void;
  release?(path: string, fd: number, done: Done): void;
  setxattr?(...args: [string, string, Buffer, number, number, Done]): void;
  getxattr?(path: string, name: string, position: number, done: Done<Buffer>): void;
  listxattr?(path: string, done: Done<string[]>): void;
  removexattr?(path: string, name: string, done: Done): void;
}

/** How the package mounts. Text that goes into libfuse's `-o` as it is. */
export interface PackageOptions {
  readonly timeout: false;
  readonly fsname: string;
}

/** A mount of the package's. */
export interface PackageMount {
  mount(done: (error: Error | null) => void): void;
  unmount(done: (error: Error | null) => void): void;
}

/** The class that the package `fuse-native` exports. */
export interface FuseNative {
  new (mountpoint: string, operations: PathOperations, options: PackageOptions): PackageMount;
  unmount(mountpoint: string, done: (error: Error | null) => void): void;
}

const PACKAGE = 'fuse-native';

/**
 * Loads the optional package `fuse-native`. Throws TSB_NO_FUSE with what to type where it is not
 * installed, has no binary for this machine, or does not find libfuse2.
 */
export async function loadFuseNative(
  load: () => Promise<unknown> = () => import(PACKAGE),
): Promise<FuseNative> {
  try {
    return ((await load()) as { readonly default: FuseNative }).default;
  } catch (error) {
    throw loadError(error);
  }
}

function loadError(cause: unknown): unknown {
  const fail = (why: string, hint: string): UserError =>
    new UserError('TSB_NO_FUSE', `Cannot load the package '${PACKAGE}': ${why}`, { hint, cause });
  const message = messageOf(cause);
  if (hasCode(cause, 'ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND')) {
    return fail('it is not installed', `npm install ${PACKAGE}`);
  }
  if (hasCode(cause, 'ERR_DLOPEN_FAILED') && message.includes('libfuse.so.2')) {
    return fail('libfuse.so.2 is not installed', 'sudo apt-get install libfuse2');
  }
  if (message.includes('No native build was found')) {
    return fail(`it has no binary for ${process.arch}`, 'Use the channel /dev/fuse');
  }
  return cause;
}

/** libfuse's `-o` text for a mount, after `fsname=`: the package passes few options itself. */
export function mountText(mount: FuseMount, timeouts: readonly string[]): string {
  const { fsname, subtype, allowOther, readOnly, nodev, nosuid, noexec, noatime } = mount;
  const flags = [
    `subtype=${escape(subtype ?? PACKAGE)}`,
    ...['default_permissions', 'use_ino', 'big_writes', 'nonempty'],
    ...(allowOther === false ? [] : ['allow_other']),
    ...(readOnly === true ? ['ro'] : []),
    nodev === false ? 'dev' : 'nodev',
    nosuid === true ? 'nosuid' : 'suid',
    ...(noexec === true ? ['noexec'] : []),
    ...(noatime === true ? ['noatime'] : []),
    ...timeouts,
  ];
  return [escape(fsname), ...flags].join(',');
}

function escape(text: string): string {
  return text.replaceAll(/[\\,]/g, (special) => `\\${special}`);
}
