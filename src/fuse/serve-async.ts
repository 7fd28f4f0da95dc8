import { watchReadable, writeDevice } from '../sys/device.js';
import { setNonblocking } from '../sys/file.js';
import { receiveOnce } from './dev-fuse-channel.js';
import type { FileSystem } from './filesystem.js';
import { refusal } from './flushing-channel.js';
import { LseekGate } from './lseek-gate.js';
import { LseekParking } from './lseek-parking.js';
import type { FuseDevice } from './mount.js';
import type { ServeOptions } from './serve.js';
import { SERVER, STDERR_LOGGER, deviceOf, needsFlush, send } from './serve.js';
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
  readonly #parking: LseekParking | undefined;
  /** LSEEKs that have waited for dirty pages, and can be answered now. */
  readonly #flushed: Buffer[] = [];
  #watch: Disposable | undefined;
  #gone = false;
  #finish: (() => void) | undefined;
  #fail: ((error: unknown) => void) | undefined;

  constructor(device: FuseDevice, fileSystem: FileSystem, options: ServeOptions) {
    this.#device = device;
    this.#session = new Session(fileSystem, options, options.logger ?? STDERR_LOGGER);
    if (!needsFlush(fileSystem, options)) return;
    this.#parking = new LseekParking({
      gate: new LseekGate(deviceOf(device)),
      inoOf: async (nodeid) => (await fileSystem.getattr(nodeid, SERVER)).ino,
      onFlushed: (request) => {
        this.#flushed.push(request);
        this.#pump();
      },
      onRefused: (request) => this.#refuse(request),
    });
  }

  run(): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      this.#finish = resolve;
      this.#fail = reject;
      this.#pump();
    }).finally(() => this.#parking?.[Symbol.dispose]());
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
        const flushed = this.#flushed.shift();
        if (flushed !== undefined) {
          this.#handle(slot, flushed.copy(slot.request));
          continue;
        }
        const received = receiveOnce(this.#device.fd, slot.request);
        if (received.kind === 'request') {
          if (this.#parking?.takes(slot.request, received.bytes) === true) this.#free.push(slot);
          else this.#handle(slot, received.bytes);
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

  #refuse(request: Buffer): void {
    const { buffer, length } = refusal(request);
    writeDevice(this.#device.fd, buffer, length);
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
