import koffi from 'koffi';

import { POLLIN } from './constants.js';
import { errnoNumber } from './errno.js';
import type { Fd } from './fd.js';
import { failure, lastErrno, libc } from './libc.js';

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

const EINTR = errnoNumber('EINTR');
const POLLFD = { bytes: 8, events: 4 } as const;
const pollfd = Buffer.alloc(POLLFD.bytes);

/** Blocks until reading would not, or the device has failed. */
export function waitReadable(fd: Fd): void {
  pollfd.writeInt32LE(fd.raw, 0);
  pollfd.writeInt16LE(POLLIN, POLLFD.events);
  while (libc.poll(pollfd, 1, -1) < 0) {
    if (lastErrno() !== EINTR) throw failure('poll');
  }
}

/**
 * Calls `onReadable` from the event loop whenever reading would not block. Dispose it before the
 * descriptor is closed.
 */
export function watchReadable(fd: Fd, onReadable: () => void): Disposable {
  const handle = koffi.node.poll(fd.raw, { readable: true, disconnect: true }, onReadable);
  return { [Symbol.dispose]: () => handle.close() };
}
