import type { Fd } from './fd.js';
import { lastErrno, libc } from './libc.js';

/** read(2) for a server's loop: the number of bytes, or the negative errno. */
export function readDevice(fd: Fd, into: Uint8Array): number {
  const count = libc.read(fd.raw, into, into.length);
  return count >= 0 ? count : -lastErrno();
}

/** write(2) of the first `length` bytes: their number, or the negative errno. */
export function writeDevice(fd: Fd, data: Uint8Array, length: number): number {
  const count = libc.write(fd.raw, data, length);
  return count >= 0 ? count : -lastErrno();
}
