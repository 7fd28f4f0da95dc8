import { SEEK_DATA, SEEK_HOLE } from '../sys/constants.js';
import type { Fd } from '../sys/fd.js';
import { copyFileRange, ftruncate, lseek, preadFull, pwrite, tryClone } from '../sys/file.js';
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
