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
const POLLFD = { bytes: 8, events: 4, revents: 6 } as const;
const pollfds = Buffer.alloc(2 * POLLFD.bytes);

/**
 * Blocks until reading `fd` or `other` would not, or it has failed; returns whether it is
 * `other`, perhaps both.
 */
export function waitReadable(fd: Fd, other?: Fd): boolean {
  pollfds.writeInt32LE(fd.raw, 0);
  pollfds.writeInt32LE(POLLIN, POLLFD.events);
  pollfds.writeInt32LE(other?.raw ?? -1, POLLFD.bytes);
  pollfds.writeInt32LE(POLLIN, POLLFD.bytes + POLLFD.events);
  while (libc.poll(pollfds, 2, -1) < 0) {
    if (lastErrno() !== EINTR) throw failure('poll');
  }
  return pollfds.readInt16LE(POLLFD.bytes + POLLFD.revents) !== 0;
}

/** Blocks like {@link waitReadable}, `timeoutMs` at most; false: that is over, or a signal came. */
export function waitReadableFor(fd: Fd, timeoutMs: number): boolean {
  pollfds.writeInt32LE(fd.raw, 0);
  pollfds.writeInt32LE(POLLIN, POLLFD.events);
  return libc.poll(pollfds, 1, timeoutMs) > 0;
}

/** Whether the device's connection has ended (POLLERR); never blocks. */
export function hasFailed(fd: Fd): boolean {
  pollfds.writeInt32LE(fd.raw, 0);
  pollfds.writeInt32LE(0, POLLFD.events);
  return libc.poll(pollfds, 1, 0) > 0;
}

/**
 * Calls `onReadable` from the event loop whenever reading would not block. Dispose it before the
 * descriptor is closed.
 */
export function watchReadable(fd: Fd, onReadable: () => void): Disposable {
  const handle = koffi.node.poll(fd.raw, { readable: true, disconnect: true }, onReadable);
  return { [Symbol.dispose]: () => handle.close() };
}
