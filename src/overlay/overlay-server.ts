import { spawn, type ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import type { Socket } from 'node:net';
import readline from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { MNT_DETACH, umount2 } from '../sys/mount.js';
import { assert } from '../util/assert.js';
import { UserError, hasCode } from '../util/errors.js';
import type { LogTarget } from '../util/log.js';
import type { CommitOptions, CommitResult } from './commit.js';
import {
  decodeError,
  type FuseChannel,
  type MountReport,
  type MountRequest,
  type Report,
  type Request,
} from './server-messages.js';

/** How long a mount may stay busy after its last user should have gone. */
const BUSY_TIMEOUT_MS = 5000;
const BUSY_RETRY_MS = 10;
/** How long the kernel may take to let go of a mount. */
const UNMOUNT_TIMEOUT_MS = 30_000;
const DISCARD_TIMEOUT_MS = 2000;
const SERVER = fileURLToPath(new URL('server-process.js', import.meta.url));

/** How to start a server. */
export interface OverlayServerOptions {
  /**
   * The server's log. Level `trace`: a record at each call of the file system and at its result;
   * `debug`: figures of all calls at the end of a mount. Left out or silent: failures alone, on
   * standard error.
   */
  readonly log?: LogTarget | undefined;
  /** Of all its mounts. Left out: `/dev/fuse`. */
  readonly channel?: FuseChannel | undefined;
}

/**
 * A process that serves overlay mounts, one after the other; start it ahead of need. It has a
 * session of its own and dies with this process. When it dies, whatever waits for it is rejected.
 */
export class OverlayServer implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #socket: Socket;
  readonly #reports: Report[] = [];
  readonly #exited: Promise<void>;
  readonly #channel: FuseChannel | undefined;
  #wake: (() => void) | undefined;
  #death: string | undefined;
  readonly #died = new AbortController();
  #current: OverlayMount | undefined;

  private constructor({ log, channel }: OverlayServerOptions) {
    this.#channel = channel;
    const { level = 'silent', file } = log ?? {};
    const args = [SERVER, String(process.pid), level, ...(file === undefined ? [] : [file])];
    this.#child = spawn(process.execPath, args, {
      detached: true,
      stdio: ['ignore', 'ignore', 'inherit', 'pipe'],
    });
    // Node types the further streams as what they may be: an extra 'pipe' is a socket.
    this.#socket = this.#child.stdio[3] as Socket;
    this.#socket.on('error', () => undefined);
    readline.createInterface({ input: this.#socket }).on('line', (line) => {
      this.#reports.push(JSON.parse(line) as Report);
      this.#wake?.();
    });
    this.#exited = new Promise((resolve) => {
      const ended = (why: string): void => {
        this.#death ??= why;
        this.#died.abort(this.#deathError());
        this.#wake?.();
        resolve();
      };
      this.#child.once('error', (error) => ended(error.message));
      this.#child.once('exit', (code, signal) => ended(signal ?? `exit code ${String(code)}`));
    });
    this.unref();
  }

  /** Starts the process; returns at once. */
  static start(options: OverlayServerOptions = {}): OverlayServer {
    return new OverlayServer(options);
  }

  /** An idle server does not keep this process alive. */
  unref(): void {
    this.#child.unref();
    this.#socket.unref();
  }

  /** The process, for messages. */
  get pid(): number | undefined {
    return this.#child.pid;
  }

  /**
   * Opens the overlay and mounts it; the mount is ready to be used. One mount at a time. Errors
   * are those of {@link Overlay.open} and of mounting (TSB_NO_FUSE, …).
   */
  async mount(request: MountRequest): Promise<OverlayMount> {
    assert(this.#current === undefined, 'the former mount has ended');
    const mount = new OverlayMount(this, request, () => (this.#current = undefined));
    this.#current = mount;
    this.#child.ref();
    this.#socket.ref();
    let isMounted = false;
    try {
      await this.ask({ type: 'mount', mount: { channel: this.#channel, ...request } }, 'mounted');
      isMounted = true;
      await this.#race(fs.promises.stat(request.mountpoint));
    } catch (error) {
      this.#current = undefined;
      this.unref();
      // It serves a mount that nobody got.
      if (isMounted) await this.kill();
      throw error;
    }
    return mount;
  }

  /** Fails when the process dies meanwhile. */
  async #race<T>(promise: Promise<T>): Promise<T> {
    const died = this.#exited.then(() => {
      throw this.#deathError();
    });
    return Promise.race([promise, died]);
  }

  /** Aborts when the process dies; the reason is a UserError that says so. */
  get died(): AbortSignal {
    return this.#died.signal;
  }

  /** Sends a request and waits for its report. */
  async ask<T extends Report['type']>(
    request: Request,
    type: T,
  ): Promise<Extract<Report, { type: T }>> {
    if (this.#death !== undefined) throw this.#deathError();
    this.#socket.write(`${JSON.stringify(request)}\n`);
    return this.report(type);
  }

  /** Waits for a report; rejects with what the process says instead, or when it dies. */
  async report<T extends Report['type']>(
    type: T,
    timeoutMs?: number,
  ): Promise<Extract<Report, { type: T }>> {
    const deadline = timeoutMs === undefined ? undefined : Date.now() + timeoutMs;
    for (;;) {
      const report = this.#reports.shift();
      if (report?.type === 'failed') throw decodeError(report.error);
      if (report !== undefined) {
        assert(report.type === type, `the server reports ${type}, not ${report.type}`);
        return report as Extract<Report, { type: T }>;
      }
      if (this.#death !== undefined) throw this.#deathError();
      if (deadline !== undefined && Date.now() >= deadline) {
        throw new UserError('TSB_SANDBOX', `Cannot unmount a step's root: something still uses it`);
      }
      await this.#woken(deadline);
    }
  }

  async #woken(deadline: number | undefined): Promise<void> {
    const timeout = new AbortController();
    const woken = new Promise<void>((resolve) => (this.#wake = resolve));
    const waits: Promise<unknown>[] = [woken];
    if (deadline !== undefined) {
      const options = { signal: timeout.signal };
      waits.push(
        sleep(Math.max(1, deadline - Date.now()), undefined, options).catch(() => undefined),
      );
    }
    await Promise.race(waits);
    timeout.abort();
    this.#wake = undefined;
  }

  #deathError(): UserError {
    const message = `Cannot go on with a step: its file-system server ended (${this.#death ?? ''})`;
    return new UserError('TSB_SANDBOX', message);
  }

  /** Ends the process at once, whatever it does: its mount fails from then on. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#current?.[Symbol.asyncDispose]();
    if (this.#death === undefined) {
      this.#child.ref();
      this.#socket.end();
      const timer = setTimeout(() => this.#child.kill('SIGKILL'), DISCARD_TIMEOUT_MS);
      await this.#exited;
      clearTimeout(timer);
    }
    this.#socket.destroy();
  }
}

/** A mount that is being served. Disposing it without a commit discards it. */
export class OverlayMount implements AsyncDisposable {
  readonly mountpoint: string;
  readonly #server: OverlayServer;
  readonly #upperdir: string | undefined;
  readonly #ended: () => void;
  #state: 'mounted' | 'unmounted' | 'ended' = 'mounted';
  #report: MountReport = {};

  constructor(server: OverlayServer, request: MountRequest, ended: () => void) {
    this.mountpoint = request.mountpoint;
    this.#server = server;
    this.#upperdir = request.upperdir;
    this.#ended = ended;
  }

  /** What the request asked to be told of the mount's use; complete after `commit`. */
  get report(): MountReport {
    return this.#report;
  }

  /**
   * Does `work` on the mount. Its signal aborts when `signal` does, or, with a UserError as its
   * reason, when the server dies; that error is thrown then, whatever became of the work.
   */
  async use<T>(
    signal: AbortSignal | undefined,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const { died } = this.#server;
    const signals = signal === undefined ? [died] : [signal, died];
    try {
      return await work(AbortSignal.any(signals));
    } finally {
      // eslint-disable-next-line no-unsafe-finally -- the cause, instead of what followed from it
      if (died.aborted) throw died.reason;
    }
  }

  /**
   * Unmounts, waits until the kernel has handed over everything, and writes the layer: `upperdir`
   * is complete then. On failure the mount still has to be discarded.
   */
  async commit(options: CommitOptions = {}): Promise<CommitResult> {
    await this.#unmount(false);
    const { result } = await this.#server.ask(
      { type: 'commit', mtimeMax: options.mtimeMax },
      'committed',
    );
    await this.#server.ask({ type: 'discard' }, 'discarded');
    this.#end();
    return result;
  }

  /** Unmounts, in spite of users, and removes `upperdir`. */
  async discard(): Promise<void> {
    if (this.#state === 'ended') return;
    try {
      await this.#unmount(true);
      await this.#server.ask({ type: 'discard' }, 'discarded');
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      await this.#server.kill();
      if (this.#upperdir !== undefined) {
        await fs.promises.rm(this.#upperdir, { recursive: true, force: true });
      }
    } finally {
      this.#end();
    }
  }

  async #unmount(lazy: boolean): Promise<void> {
    if (this.#state !== 'mounted') return;
    const deadline = Date.now() + BUSY_TIMEOUT_MS;
    while (!tryUnmount(this.mountpoint, lazy ? MNT_DETACH : 0)) {
      if (Date.now() > deadline) {
        throw new UserError('TSB_SANDBOX', `Cannot unmount '${this.mountpoint}': it is busy`);
      }
      await sleep(BUSY_RETRY_MS);
    }
    const timeoutMs = lazy ? DISCARD_TIMEOUT_MS : UNMOUNT_TIMEOUT_MS;
    const { report } = await this.#server.report('unmounted', timeoutMs);
    this.#report = report;
    this.#state = 'unmounted';
  }

  #end(): void {
    this.#state = 'ended';
    this.#server.unref();
    this.#ended();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.discard();
  }
}

/** False: it is busy. A mount that is gone already is no error. */
function tryUnmount(mountpoint: string, flags: number): boolean {
  try {
    umount2(mountpoint, flags);
    return true;
  } catch (error) {
    if (hasCode(error, 'EINVAL', 'ENOENT')) return true;
    if (hasCode(error, 'EBUSY')) return false;
    throw error;
  }
}
