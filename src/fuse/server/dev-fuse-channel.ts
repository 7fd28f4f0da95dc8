import { readDevice, waitReadable, writeDevice } from '../../sys/device.js';
import { FsError, errnoNumber } from '../../sys/errno.js';
import type { Fd } from '../../sys/fd.js';
import { setNonblocking } from '../../sys/file.js';
import type { Channel } from './channel.js';

const ENODEV = -errnoNumber('ENODEV');
const ECONNABORTED = -errnoNumber('ECONNABORTED');
const EAGAIN = -errnoNumber('EAGAIN');
const EINTR = -errnoNumber('EINTR');
/** The request was interrupted before it was read. */
const ENOENT = -errnoNumber('ENOENT');

/** What reading the device once gave. */
export type Received =
  | { readonly kind: 'request'; readonly bytes: number }
  | { readonly kind: 'nothing' }
  | { readonly kind: 'gone' };

const NOTHING: Received = { kind: 'nothing' };
const GONE: Received = { kind: 'gone' };

/** One read(2) of the device, its errors understood. */
export function receiveOnce(fd: Fd, into: Buffer): Received {
  const count = readDevice(fd, into);
  if (count > 0) return { kind: 'request', bytes: count };
  if (count === EAGAIN || count === EINTR || count === ENOENT) return NOTHING;
  if (count === 0 || count === ENODEV || count === ECONNABORTED) return GONE;
  throw new FsError(-count, 'read', '/dev/fuse');
}

/** How often a spin must have met a request for spinning to go on: of the last {@link SPINS}. */
const SPIN_HITS_MIN = 8;
const SPINS = 16;
/** Requests without any spinning, after it brought too little. */
const SPIN_PAUSE = 512;

/**
 * The classic channel: read(2) and write(2) of /dev/fuse. With `spinMicros` above 0 it asks for
 * that long before it blocks, as long as requests keep coming: a saved wake-up is worth some
 * 25 µs on an idle machine, and costs the clients' time on a busy one.
 */
export class DevFuseChannel implements Channel {
  readonly #fd: Fd;
  readonly #spinNanos: bigint;
  #spins = 0;
  #hits = 0;
  #pause = 0;
  #nonblocking: boolean | undefined;

  constructor(fd: Fd, options: { readonly spinMicros?: number } = {}) {
    this.#fd = fd;
    this.#spinNanos = BigInt((options.spinMicros ?? 0) * 1000);
  }

  receive(into: Buffer): number | undefined {
    this.#setNonblocking(this.#spinNanos > 0n);
    for (;;) {
      const received = receiveOnce(this.#fd, into);
      if (received.kind === 'request') return received.bytes;
      if (received.kind === 'gone') return undefined;
      if (this.#spinNanos === 0n) continue;
      const spun = this.#pause > 0 ? this.#skipSpin() : this.#spin(into);
      if (spun.kind === 'request') return spun.bytes;
      if (spun.kind === 'gone') return undefined;
      waitReadable(this.#fd);
    }
  }

  /** Like {@link receive}; `'other'`: there is something to read from `other`, nothing is lost. */
  receiveUnless(into: Buffer, other: Fd): number | 'other' | undefined {
    this.#setNonblocking(true);
    for (;;) {
      if (waitReadable(this.#fd, other)) return 'other';
      const received = receiveOnce(this.#fd, into);
      if (received.kind === 'request') return received.bytes;
      if (received.kind === 'gone') return undefined;
    }
  }

  #setNonblocking(nonblocking: boolean): void {
    if (nonblocking === this.#nonblocking) return;
    setNonblocking(this.#fd, nonblocking);
    this.#nonblocking = nonblocking;
  }

  send(reply: Buffer, length: number): number {
    const count = writeDevice(this.#fd, reply, length);
    return count < 0 ? count : 0;
  }

  #skipSpin(): Received {
    this.#pause--;
    return NOTHING;
  }

  #spin(into: Buffer): Received {
    const deadline = process.hrtime.bigint() + this.#spinNanos;
    this.#spins++;
    do {
      const received = receiveOnce(this.#fd, into);
      if (received.kind !== 'nothing') {
        this.#hits++;
        this.#review();
        return received;
      }
    } while (process.hrtime.bigint() < deadline);
    this.#review();
    return NOTHING;
  }

  #review(): void {
    if (this.#spins < SPINS) return;
    if (this.#hits < SPIN_HITS_MIN) this.#pause = SPIN_PAUSE;
    this.#spins = 0;
    this.#hits = 0;
  }
}
