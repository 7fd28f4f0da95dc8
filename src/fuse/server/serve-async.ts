import { waitReadableFor, watchReadable, writeDevice } from '../../sys/device.js';
import { setNonblocking } from '../../sys/file.js';
import { receiveOnce } from './dev-fuse-channel.js';
import type { FileSystem } from '../filesystem.js';
import { refusal } from './flushing-channel.js';
import { LseekGate } from './lseek-gate.js';
import { LseekParking } from './lseek-parking.js';
import type { FuseDevice } from '../mount/mount.js';
import type { ServeOptions } from './serve.js';
import { SERVER, STDERR_LOGGER, deviceOf, needsFlush, send } from './serve.js';
import type { Slot } from './session.js';
import { Session } from './session.js';

/**
 * Requests that an asynchronous server has in hand at most; the kernel queues the rest, and the
 * INTERRUPTs behind them. What a buffer does not hold takes no memory.
 */
const IN_FLIGHT_MAX = 256;

/** How long the event loop may wait for its turn while requests keep coming. */
const TURN_MS = 20;

/** The longest that a timer can take. */
const KEEP_ALIVE_MS = 2 ** 31 - 1;

/** How to serve a mount from the event loop. */
export interface ServeAsyncOptions extends ServeOptions {
  /**
   * How long to wait for the next request before the event loop gets its turn: with some
   * milliseconds a busy server is almost as fast as a blocking one. Default 0.
   */
  readonly lingerMs?: number;
  /** Aborting it ends serving, also of a mount that is still there. */
  readonly signal?: AbortSignal;
}

/**
 * Serves a mounted device from the event loop until it is unmounted: for file systems whose
 * handlers return promises, and for a process that has other things to do. Several requests are
 * in flight at once.
 */
export async function serveAsync(
  device: FuseDevice,
  fileSystem: FileSystem,
  options: ServeAsyncOptions = {},
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
  readonly #lingerMs: number;
  readonly #signal: AbortSignal | undefined;
  /** When the event loop last had its turn. */
  #turnAt = 0;
  /** LSEEKs that wait for dirty pages. */
  #parked = 0;
  #watch: Disposable | undefined;
  #gone = false;
  #unlisten: (() => void) | undefined;
  #finish: (() => void) | undefined;
  #fail: ((error: unknown) => void) | undefined;

  constructor(device: FuseDevice, fileSystem: FileSystem, options: ServeAsyncOptions) {
    this.#device = device;
    this.#lingerMs = options.lingerMs ?? 0;
    this.#signal = options.signal;
    this.#session = new Session(fileSystem, options, options.logger ?? STDERR_LOGGER);
    if (!needsFlush(fileSystem, options)) return;
    this.#parking = new LseekParking({
      gate: new LseekGate(deviceOf(device)),
      inoOf: async (nodeid) => (await fileSystem.getattr(nodeid, SERVER)).ino,
      onFlushed: (request) => {
        this.#parked -= 1;
        this.#flushed.push(request);
        this.#pump();
      },
      onRefused: (request) => {
        this.#parked -= 1;
        this.#refuse(request);
      },
    });
  }

  run(): Promise<void> {
    // While every slot is in use nothing else may keep the process alive, and it must not end.
    const alive = setInterval(() => undefined, KEEP_ALIVE_MS);
    return new Promise<void>((resolve, reject) => {
      this.#finish = resolve;
      this.#fail = reject;
      const stop = (): void => {
        this.#end();
        this.#finishIfIdle();
      };
      this.#signal?.addEventListener('abort', stop, { once: true });
      this.#unlisten = () => this.#signal?.removeEventListener('abort', stop);
      if (this.#signal?.aborted === true) stop();
      else this.#pump();
    }).finally(() => {
      clearInterval(alive);
      this.#unlisten?.();
      this.#parking?.[Symbol.dispose]();
    });
  }

  /** Reads requests until there is none, or no slot for one. */
  #pump(): void {
    this.#turnAt = performance.now();
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
          if (this.#parks(slot.request, received.bytes)) this.#free.push(slot);
          else this.#handle(slot, received.bytes);
          continue;
        }
        this.#free.push(slot);
        if (received.kind === 'nothing') {
          if (this.#linger()) continue;
          this.#startWatching();
          return;
        }
        this.#end();
      }
      this.#finishIfIdle();
    } catch (error) {
      this.#failWith(error);
    }
  }

  /** Serves no more: the device is its owner's again. */
  #failWith(error: unknown): void {
    this.#end();
    this.#stopWatching();
    this.#fail?.(error);
  }

  #parks(request: Buffer, length: number): boolean {
    // Counted first: it may be given back at once.
    this.#parked += 1;
    if (this.#parking?.takes(request, length) === true) return true;
    this.#parked -= 1;
    return false;
  }

  /** Waits for the next request, unless the event loop has something to do; true: there is one. */
  #linger(): boolean {
    const isIdle = this.#parked === 0 && this.#free.length === this.#slots;
    if (this.#lingerMs === 0 || !isIdle) return false;
    if (performance.now() - this.#turnAt > TURN_MS) return false;
    return waitReadableFor(this.#device.fd, this.#lingerMs);
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
      this.#failWith(error);
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

  /** No more requests; those in hand are waited for, and their handlers told. */
  #end(): void {
    this.#gone = true;
    this.#session.interruptAll();
  }

  #finishIfIdle(): void {
    this.#stopWatching();
    if (this.#free.length === this.#slots) this.#finish?.();
  }
}
