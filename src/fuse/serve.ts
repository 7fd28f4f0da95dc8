import { writeSync } from 'node:fs';
import { inspect } from 'node:util';

import { writeDevice, watchReadable } from '../sys/device.js';
import { FsError, errnoNumber } from '../sys/errno.js';
import { setNonblocking } from '../sys/file.js';
import { assert } from '../util/assert.js';
import type { Channel } from './channel.js';
import { DevFuseChannel, receiveOnce } from './dev-fuse-channel.js';
import type { FileSystem } from './filesystem.js';
import type { FuseDevice } from './mount.js';
import type { MountOptions } from './negotiate.js';
import type { FuseLogger, Slot } from './session.js';
import { Session } from './session.js';

/** How to serve a mount. */
export interface ServeOptions extends MountOptions {
  /** Takes a file system's failures. Default: lines on the standard error stream. */
  readonly logger?: FuseLogger;
  /** See {@link DevFuseChannel}. Default 0. */
  readonly spinMicros?: number;
}

const EINVAL = -errnoNumber('EINVAL');
/** Answers that mean: nobody waits for the reply any more. */
const NOBODY_WAITS: readonly number[] = ['ENOENT', 'ENODEV', 'ECONNABORTED', 'ENOTCONN'].map(
  (name) => -errnoNumber(name),
);

const STDERR_LOGGER: FuseLogger = {
  error: (details, message) => void writeSync(2, `fuse: ${message}: ${inspect(details)}\n`),
};

/**
 * Serves a mounted device until it is unmounted. Blocks the whole process: neither timers nor
 * signal handlers run, so give it a process of its own, and never touch the mount from it. A
 * handler that returns a promise gets its caller EIO: see {@link serveAsync}.
 */
export function serve(
  device: FuseDevice,
  fileSystem: FileSystem,
  options: ServeOptions = {},
): void {
  serveChannel(new DevFuseChannel(device.fd, options), fileSystem, options);
}

/** Like {@link serve}, on any channel. */
export function serveChannel(
  channel: Channel,
  fileSystem: FileSystem,
  options: ServeOptions = {},
): void {
  const session = new Session(fileSystem, options, options.logger ?? STDERR_LOGGER);
  const slot = session.newSlot();
  try {
    for (;;) {
      const length = channel.receive(slot.request);
      if (length === undefined) return;
      const outcome = session.handle(slot, length);
      if (outcome === 'silent') continue;
      if (outcome !== 'reply')
        session.abandon(slot, 'a handler returned a promise: use serveAsync');
      send(session, slot, (reply, bytes) => channel.send(reply, bytes));
    }
  } finally {
    fileSystem.destroy?.();
  }
}

/** Sends the slot's reply; a reply that the kernel finds malformed is replaced by EIO. */
function send(
  session: Session,
  slot: Slot,
  write: (reply: Buffer, length: number) => number,
): void {
  let status = write(slot.reply.buffer, slot.reply.length);
  if (status === EINVAL) {
    session.abandon(slot, 'the kernel refused a reply');
    status = write(slot.reply.buffer, slot.reply.length);
  }
  if (status >= 0 || NOBODY_WAITS.includes(status)) return;
  throw new FsError(-status, 'write', '/dev/fuse');
}

/** Requests that an asynchronous server has in hand at most; the kernel queues the rest. */
const IN_FLIGHT_MAX = 32;

/**
 * Serves a mounted device from the event loop until it is unmounted: for file systems whose
 * handlers return promises, and for a process that has other things to do. Several requests are
 * in flight at once.
 */
export async function serveAsync(
  device: FuseDevice,
  fileSystem: FileSystem,
  options: ServeOptions = {},
): Promise<void> {
  setNonblocking(device.fd, true);
  const server = new AsyncServer(device, fileSystem, options);
  try {
    await server.run();
  } finally {
    fileSystem.destroy?.();
  }
}

class AsyncServer {
  readonly #device: FuseDevice;
  readonly #session: Session;
  readonly #free: Slot[] = [];
  #slots = 0;
  #watch: Disposable | undefined;
  #gone = false;
  #finish: (() => void) | undefined;
  #fail: ((error: unknown) => void) | undefined;

  constructor(device: FuseDevice, fileSystem: FileSystem, options: ServeOptions) {
    this.#device = device;
    this.#session = new Session(fileSystem, options, options.logger ?? STDERR_LOGGER);
  }

  run(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#finish = resolve;
      this.#fail = reject;
      this.#pump();
    });
  }

  /** Reads requests until there is none, or no slot for one. */
  #pump(): void {
    try {
      while (!this.#gone) {
        const slot = this.#acquire();
        if (slot === undefined) return this.#stopWatching();
        const received = receiveOnce(this.#device.fd, slot.request);
        if (received.kind === 'request') {
          this.#handle(slot, received.bytes);
          continue;
        }
        this.#free.push(slot);
        if (received.kind === 'nothing') return this.#startWatching();
        this.#gone = true;
      }
      this.#finishIfIdle();
    } catch (error) {
      this.#stopWatching();
      this.#fail?.(error);
    }
  }

  #handle(slot: Slot, length: number): void {
    const outcome = this.#session.handle(slot, length);
    if (outcome instanceof Promise) {
      void outcome.then(() => {
        this.#answer(slot);
        this.#pump();
      });
    } else if (outcome === 'reply') {
      this.#answer(slot);
    } else {
      this.#free.push(slot);
    }
  }

  #answer(slot: Slot): void {
    try {
      send(this.#session, slot, (reply, bytes) => writeDevice(this.#device.fd, reply, bytes));
    } catch (error) {
      this.#fail?.(error);
    }
    this.#free.push(slot);
  }

  #acquire(): Slot | undefined {
    const slot = this.#free.pop();
    if (slot !== undefined || this.#slots >= IN_FLIGHT_MAX) return slot;
    this.#slots++;
    return this.#session.newSlot();
  }

  #startWatching(): void {
    this.#watch ??= watchReadable(this.#device.fd, () => this.#pump());
  }

  #stopWatching(): void {
    this.#watch?.[Symbol.dispose]();
    this.#watch = undefined;
  }

  #finishIfIdle(): void {
    assert(this.#gone, 'the device is still there');
    this.#stopWatching();
    if (this.#free.length === this.#slots) this.#finish?.();
  }
}
