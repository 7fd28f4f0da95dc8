import type { OutputHandler } from '../exec/run-spec.js';
import type { OutputMask } from '../secrets/output-mask.js';
import type { RunningVertex } from './progress.js';
import { OutputTail } from './run-failed.js';
import type { SecretGuard } from './secret-guard.js';

const STREAMS = ['stdout', 'stderr'] as const;

/** What a RUN says, without the build's secrets: shown at once, and its end kept for an error. */
export class RunOutput {
  readonly #running: RunningVertex;
  readonly #tail = new OutputTail();
  /** The secret of one stream may come in between those of the other. */
  readonly #masks: Readonly<Record<(typeof STREAMS)[number], OutputMask | undefined>>;

  constructor(guard: SecretGuard, running: RunningVertex) {
    this.#running = running;
    this.#masks = { stdout: guard.openMask(), stderr: guard.openMask() };
  }

  /** Does `work`, which writes with the handler that it gets. */
  async while<T>(work: (onOutput: OutputHandler) => Promise<T>): Promise<T> {
    try {
      return await work((stream, chunk) => {
        this.#show(stream, this.#masks[stream]?.push(chunk) ?? chunk);
      });
    } finally {
      for (const stream of STREAMS) {
        this.#show(stream, this.#masks[stream]?.end() ?? Buffer.alloc(0));
      }
    }
  }

  /** The last lines. */
  tail(): string {
    return this.#tail.text();
  }

  #show(stream: (typeof STREAMS)[number], chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.#tail.add(chunk);
    this.#running.output(stream, chunk);
  }
}
