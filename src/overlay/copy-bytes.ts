import {
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_ZERO_RANGE,
  SEEK_DATA,
  SEEK_HOLE,
} from '../sys/constants.js';
import type { Fd } from '../sys/fd.js';
import {
  copyFileRange,
  fallocate,
  ftruncate,
  lseek,
  preadFull,
  pwrite,
  tryClone,
} from '../sys/file.js';
import { hasCode } from '../util/errors.js';

const CHUNK_BYTES = 1024 * 1024;

/** What to copy: `length` bytes from `start` of `from` to the start of `to`, which is empty. */
export interface ByteCopy {
  readonly from: Fd;
  readonly start: number;
  readonly to: Fd;
  readonly length: number;
  /** The bytes are a whole file: it may be cloned. */
  readonly whole: boolean;
}

/** Copies by sharing blocks where the file system can; holes stay holes. */
export function copyBytes({ from, start, to, length, whole }: ByteCopy): void {
  if (whole && tryClone(to, from)) {
    ftruncate(to, length);
    return;
  }
  const end = start + length;
  for (let at = start; at < end;) {
    const data = lseek(from, at, SEEK_DATA);
    if (data === undefined || data >= end) break;
    const hole = Math.min(lseek(from, data, SEEK_HOLE) ?? end, end);
    copyRange({ from, fromOffset: data, to, toOffset: data - start, length: hole - data });
    at = hole;
  }
  ftruncate(to, length);
}

/** Both ends of a copy. */
export interface RangeCopy {
  readonly from: Fd;
  readonly fromOffset: number;
  readonly to: Fd;
  readonly toOffset: number;
  readonly length: number;
}

/** Copies a range in the kernel if it can, else through memory. */
export function copyRange({ from, fromOffset, to, toOffset, length }: RangeCopy): void {
  let done = 0;
  try {
    while (done < length) {
      const count = copyFileRange({
        from,
        fromOffset: fromOffset + done,
        to,
        toOffset: toOffset + done,
        length: length - done,
      });
      if (count === 0) return;
      done += count;
    }
  } catch (error) {
    if (!hasCode(error, 'EXDEV', 'EINVAL', 'ENOSYS', 'EOPNOTSUPP', 'ENOTSUP')) throw error;
  }
  const buffer = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, length - done));
  while (done < length) {
    const chunk = buffer.subarray(0, length - done);
    const count = preadFull(from, chunk, fromOffset + done);
    if (count === 0) return;
    pwrite(to, chunk.subarray(0, count), toOffset + done);
    done += count;
  }
}

/** Zeroes a range of a file, which keeps its size: with holes, or with space on the disk. */
export function zeroBytes(fd: Fd, start: number, end: number, kind: 'hole' | 'data'): void {
  const mode = kind === 'hole' ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE;
  if (tryFallocate(fd, mode | FALLOC_FL_KEEP_SIZE, start, end)) return;
  const zeros = Buffer.alloc(Math.min(CHUNK_BYTES, end - start));
  for (let at = start; at < end; at += zeros.length) {
    pwrite(fd, zeros.subarray(0, Math.min(zeros.length, end - at)), at);
  }
}

/** Takes space on the disk ahead of need, where the file system can; the size stays. */
export function reserveBytes(fd: Fd, start: number, end: number): void {
  tryFallocate(fd, FALLOC_FL_KEEP_SIZE, start, end);
}

/** fallocate(2); false: the file system does not have it. */
function tryFallocate(fd: Fd, mode: number, start: number, end: number): boolean {
  try {
    fallocate(fd, mode, start, end - start);
    return true;
  } catch (error) {
    if (!hasCode(error, 'EOPNOTSUPP', 'ENOTSUP', 'ENOSYS')) throw error;
    return false;
  }
}
