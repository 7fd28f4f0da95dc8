import { OverlayServer } from '../overlay/overlay-server.js';
import { Limit } from '../util/limit.js';

/**
 * The overlay servers of a build: processes that serve the mounts of one RUN after another.
 * Started before they are needed, since that takes as long as many a RUN.
 */
export class ServerPool implements AsyncDisposable {
  readonly #limit: Limit;
  readonly #wanted: boolean;
  readonly #idle: OverlayServer[] = [];
  readonly #all: OverlayServer[] = [];

  /** `wanted`: the build has RUNs at all. */
  constructor({ jobs, wanted }: { jobs: number; wanted: boolean }) {
    this.#limit = new Limit(jobs);
    this.#wanted = wanted;
  }

  /** Starts one server, unless one has been started. */
  prestart(): void {
    if (this.#wanted && this.#all.length === 0) this.#idle.push(this.#start());
  }

  /** Lends a server to `work`. One that failed is not lent again. */
  async use<T>(work: (server: OverlayServer) => Promise<T>): Promise<T> {
    return await this.#limit.run(async () => {
      const server = this.#idle.pop() ?? this.#start();
      const result = await work(server);
      this.#idle.push(server);
      return result;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#idle.length = 0;
    await Promise.all(this.#all.splice(0).map((server) => server[Symbol.asyncDispose]()));
  }

  #start(): OverlayServer {
    const server = OverlayServer.start();
    this.#all.push(server);
    return server;
  }
}
