import { watchReadable, writeDevice } from '../sys/device.js';
import { setNonblocking } from '../sys/file.js';
import { receiveOnce } from './dev-fuse-channel.js';
import type { FileSystem } from './filesystem.js';
import type { FuseDevice } from './mount.js';
import type { ServeOptions } from './serve.js';
import { STDERR_LOGGER, send } from './serve.js';
import type { Slot } from './session.js';
import { Session } from './session.js';

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
        if (slot === undefined) {
          this.#stopWatching();
          return;
        }
        const received = receiveOnce(this.#device.fd, slot.request);
        if (received.kind === 'request') {
          this.#handle(slot, received.bytes);
          continue;
        }
        this.#free.push(slot);
        if (received.kind === 'nothing') {
          this.#startWatching();
          return;
        }
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
    this.#stopWatching();
    if (this.#free.length === this.#slots) this.#finish?.();
  }
}
