import { AT_FDCWD, O_CLOEXEC, SEEK_DATA, SEEK_HOLE } from './constants.js';
import { FsError, errnoNumber } from './errno.js';
import { Fd } from './fd.js';
import type { PathLike } from './libc.js';
import { SYS, check, failure, lastErrno, libc, pathArg } from './libc.js';

export type { PathLike } from './libc.js';

const EINTR = errnoNumber('EINTR');
const ENXIO = errnoNumber('ENXIO');
const EAGAIN = errnoNumber('EAGAIN');
const OPEN_HOW_BYTES = 24;
const F_SETFD = 2;
const F_GETFL = 3;
const F_SETFL = 4;
const F_DUPFD_CLOEXEC = 1030;
const FD_CLOEXEC = 1;
const O_NONBLOCK = 0o4000;
const FICLONE = 0x40049409;

/** The number of a directory descriptor argument; undefined is the working directory. */
export function dirfd(dir: Fd | undefined): number {
  return dir === undefined ? AT_FDCWD : dir.raw;
}

/** openat(2) with O_CLOEXEC added. The caller closes the result. */
export function openat(dir: Fd | undefined, path: PathLike, flags: number, mode = 0o600): Fd {
  const raw = libc.openat(dirfd(dir), pathArg(path, 'openat'), flags | O_CLOEXEC, mode);
  return Fd.adopt(check(raw, 'openat', path));
}

/** openat(2) with O_CLOEXEC added; undefined where the path does not exist (ENOENT, ENOTDIR). */
export function tryOpenat(dir: Fd | undefined, path: PathLike, flags: number): Fd | undefined {
  const raw = libc.openat(dirfd(dir), pathArg(path, 'openat'), flags | O_CLOEXEC, 0);
  if (raw >= 0) return Fd.adopt(raw);
  const error = failure('openat', path);
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
  throw error;
}

/** openat2(2) with O_CLOEXEC added; `resolve` is of RESOLVE_*. The caller closes the result. */
export function openat2(
  dir: Fd | undefined,
  path: PathLike,
  how: { readonly flags: number; readonly mode?: number; readonly resolve?: number },
): Fd {
  const struct = Buffer.alloc(OPEN_HOW_BYTES);
  struct.writeBigUInt64LE(BigInt((how.flags | O_CLOEXEC) >>> 0), 0);
  struct.writeBigUInt64LE(BigInt(how.mode ?? 0), 8);
  struct.writeBigUInt64LE(BigInt(how.resolve ?? 0), 16);
  const arg = pathArg(path, 'openat2');
  const raw = libc.sysOpenat2(SYS.openat2, dirfd(dir), arg, struct, OPEN_HOW_BYTES);
  return Fd.adopt(check(raw, 'openat2', path));
}

/** A second descriptor of the same open file. The caller closes it. */
export function dup(fd: Fd): Fd {
  return Fd.adopt(check(libc.fcntl(fd.raw, F_DUPFD_CLOEXEC, 3), 'dup'));
}

/** read(2): one call; 0 is the end of the file. EINTR is retried. */
export function read(fd: Fd, into: Uint8Array): number {
  for (;;) {
    const count = libc.read(fd.raw, into, into.length);
    if (count >= 0) return count;
    if (lastErrno() !== EINTR) throw failure('read');
  }
}

/** pread(2): one call; fewer bytes than asked need not be the end, 0 is. */
export function pread(fd: Fd, into: Uint8Array, position: number): number {
  const count = libc.pread(fd.raw, into, into.length, position);
  return count < 0 ? check(count, 'pread') : count;
}

/** Reads until `into` is full or the file ends; fewer bytes mean the end. */
export function preadFull(fd: Fd, into: Buffer, position: number): number {
  let done = pread(fd, into, position);
  if (done === 0 || done === into.length) return done;
  for (;;) {
    const count = pread(fd, into.subarray(done), position + done);
    done += count;
    if (count === 0 || done === into.length) return done;
  }
}

/** Writes all of `data` at `position`. */
export function pwrite(fd: Fd, data: Uint8Array, position: number): void {
  let rest = data;
  let at = position;
  while (rest.length > 0) {
    const count = check(libc.pwrite(fd.raw, rest, rest.length, at), 'pwrite');
    if (count === rest.length) return;
    rest = rest.subarray(count);
    at += count;
  }
}

/** Writes all of `data` at the file's own position; EINTR is retried. */
export function write(fd: Fd, data: Uint8Array): void {
  let rest = data;
  while (rest.length > 0) {
    const count = libc.write(fd.raw, rest, rest.length);
    if (count >= 0) rest = rest.subarray(count);
    else if (lastErrno() !== EINTR) throw failure('write');
  }
}

/** ftruncate(2). */
export function ftruncate(fd: Fd, size: number): void {
  check(libc.ftruncate(fd.raw, size), 'ftruncate');
}

/** fallocate(2); `mode` is of FALLOC_FL_*. */
export function fallocate(fd: Fd, mode: number, offset: number, length: number): void {
  check(libc.fallocate(fd.raw, mode, offset, length), 'fallocate');
}

/** lseek(2); undefined: no data or hole there (ENXIO of SEEK_DATA, SEEK_HOLE). */
export function lseek(fd: Fd, offset: number, whence: number): number | undefined {
  const position = libc.lseek(fd.raw, offset, whence);
  if (position >= 0) return position;
  if ((whence === SEEK_DATA || whence === SEEK_HOLE) && lastErrno() === ENXIO) return undefined;
  throw failure('lseek');
}

/** What copy_file_range(2) takes. */
export interface FileRangeCopy {
  readonly from: Fd;
  readonly fromOffset: number;
  readonly to: Fd;
  readonly toOffset: number;
  readonly length: number;
}

/** copy_file_range(2): one call; returns the bytes copied, 0 at the end of `from`. */
export function copyFileRange(copy: FileRangeCopy): number {
  const { from, fromOffset, to, toOffset, length } = copy;
  const offsets = [Buffer.alloc(8), Buffer.alloc(8)] as const;
  offsets[0].writeBigInt64LE(BigInt(fromOffset));
  offsets[1].writeBigInt64LE(BigInt(toOffset));
  return check(
    libc.copyFileRange(from.raw, offsets[0], to.raw, offsets[1], length, 0),
    'copy_file_range',
  );
}

/** Makes `to` share all bytes of `from` (FICLONE); false where the file systems cannot. */
export function tryClone(to: Fd, from: Fd): boolean {
  if (libc.ioctl(to.raw, FICLONE, from.raw) === 0) return true;
  const error = failure('ioctl(FICLONE)');
  const refusals = ['EOPNOTSUPP', 'ENOTSUP', 'EXDEV', 'EINVAL', 'ENOTTY', 'ENOSYS', 'EPERM'];
  if (refusals.includes(error.code)) return false;
  throw error;
}

/** fsync(2), or fdatasync(2). */
export function fsync(fd: Fd, options: { readonly datasync?: boolean } = {}): void {
  check(options.datasync === true ? libc.fdatasync(fd.raw) : libc.fsync(fd.raw), 'fsync');
}

/** syncfs(2): everything of the file system that `fd` is on. */
export function syncfs(fd: Fd): void {
  check(libc.syncfs(fd.raw), 'syncfs');
}

/** Like {@link syncfs}, in a thread: a busy disk can take seconds. Keep `fd` open meanwhile. */
export function syncfsInThread(fd: Fd): Promise<void> {
  return new Promise((resolve, reject) => {
    libc.syncfs.async(fd.raw, (error, result) => {
      if (error !== null) reject(error);
      else if (result < 0) reject(failure('syncfs'));
      else resolve();
    });
  });
}

/** SYNC_FILE_RANGE_WAIT_BEFORE, WRITE and WAIT_AFTER. */
const SYNC_FILE_RANGE_WRITE_AND_WAIT = 7;

/** sync_file_range(2): writes a file's dirty pages back, and waits; no metadata, no disk cache. */
export function writeBack(fd: Fd): void {
  check(libc.syncFileRange(fd.raw, 0, 0, SYNC_FILE_RANGE_WRITE_AND_WAIT), 'sync_file_range');
}

const LOCKS = { shared: 1, exclusive: 2, unlock: 8 } as const;
const LOCK_NB = 4;

/** flock(2); false: somebody else holds it, and `wait` is false. */
export function flock(
  fd: Fd,
  lock: keyof typeof LOCKS,
  { wait }: { readonly wait: boolean },
): boolean {
  for (;;) {
    if (libc.flock(fd.raw, LOCKS[lock] | (wait ? 0 : LOCK_NB)) === 0) return true;
    const errno = lastErrno();
    if (errno === EAGAIN) return false;
    if (errno !== EINTR) throw new FsError(errno, 'flock');
  }
}

/** Sets or clears O_NONBLOCK of the open file (all descriptors of it). */
export function setNonblocking(fd: Fd, nonblocking: boolean): void {
  const flags = check(libc.fcntl(fd.raw, F_GETFL, 0), 'fcntl');
  const wanted = nonblocking ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
  if (wanted !== flags) check(libc.fcntl(fd.raw, F_SETFL, wanted), 'fcntl');
}

/** Whether execve(2) closes the descriptor. Takes a number, for the standard streams. */
export function setCloexec(raw: number, cloexec: boolean): void {
  check(libc.fcntl(raw, F_SETFD, cloexec ? FD_CLOEXEC : 0), 'fcntl');
}

/** umask(2): returns the former one. */
export function umask(mask: number): number {
  return libc.umask(mask);
}
