import { prestart } from '../exec/run.js';
import { OverlayServer, type OverlayServerOptions } from '../overlay/overlay-server.js';
import type { FuseChannel } from '../overlay/server-messages.js';
import { Limit } from '../util/limit.js';
import type { LogTarget } from '../util/log.js';

/** What a RUN is carried out with. */
export interface Sandbox {
  /** Serves the mount. Borrowed. */
  readonly server: OverlayServer;
  /** Becomes the command: taken over by `runCommand`. */
  readonly helper: RunHelper;
}

/** A server that is given back when it is disposed of; its mount has ended then. */
export interface BorrowedServer extends Disposable {
  readonly server: OverlayServer;
}

/** How to lend. */
export interface ServerPoolOptions {
  /** RUNs at the same time. */
  readonly jobs: number;
  /** RUNs of the plan. */
  readonly runs: number;
  /** Of the servers. */
  readonly log: LogTarget | undefined;
  readonly channel: FuseChannel | undefined;
}

type RunHelper = ReturnType<typeof prestart>;

/**
 * The processes of a build's RUNs: overlay servers, which serve the mounts of one RUN after
 * another, and helpers, one for each RUN. Started before they are needed, since that takes as
 * long as many a RUN.
 */
export class ServerPool implements AsyncDisposable {
  readonly #limit: Limit;
  readonly #server: OverlayServerOptions;
  readonly #idle: OverlayServer[] = [];
  readonly #all: OverlayServer[] = [];
  #helper: RunHelper | undefined;
  /** RUNs that are still to come, unless the cache has them. */
  #runs: number;

  constructor({ jobs, runs, log, channel }: ServerPoolOptions) {
    this.#server = { log, channel };
    this.#limit = new Limit(jobs);
    this.#runs = runs;
  }

  /** Whether the servers log every operation, with names. */
  get logsNames(): boolean {
    return this.#server.log?.level === 'trace';
  }

  /** Starts what the next RUN needs, unless there is none or that has been done. */
  prestart(): void {
    if (this.#runs <= 0) return;
    if (this.#all.length === 0) this.#idle.push(this.#start());
    this.#helper ??= prestart();
  }

  /** Says that the cache had a RUN. */
  skip(): void {
    this.#runs--;
  }

  /** Lends a server and gives a helper to `work`. A server that failed is not lent again. */
  async use<T>(work: (sandbox: Sandbox) => Promise<T>): Promise<T> {
    return await this.#limit.run(async () => {
      const server = this.#idle.pop() ?? this.#start();
      const helper = this.#helper ?? prestart();
      this.#helper = undefined;
      try {
        this.#runs--;
        this.prestart();
        const result = await work({ server, helper });
        this.#idle.push(server);
        return result;
      } finally {
        await helper[Symbol.asyncDispose]();
      }
    });
  }

  /** Lends a further server, for files that a RUN mounts besides its root. */
  borrow(): BorrowedServer {
    const server = this.#idle.pop() ?? this.#start();
    return {
      server,
      [Symbol.dispose]: () => {
        if (!server.died.aborted) this.#idle.push(server);
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#runs = 0;
    this.#idle.length = 0;
    const ended = this.#all.splice(0).map((server) => server[Symbol.asyncDispose]());
    await Promise.all([...ended, this.#helper?.[Symbol.asyncDispose]()]);
  }

  #start(): OverlayServer {
    const server = OverlayServer.start(this.#server);
    this.#all.push(server);
    return server;
  }
}
