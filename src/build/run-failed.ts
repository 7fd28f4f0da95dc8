import type { RunInstruction } from '../dockerfile/ast.js';
import { UserError } from '../util/errors.js';
import { commandText } from './history.js';

/** How much of a failed command's output its error keeps. */
export const TAIL_LINES_MAX = 20;
const TAIL_BYTES_MAX = 16 * 1024;

/** The last output of a command. */
export class OutputTail {
  #chunks: Buffer[] = [];
  #size = 0;

  add(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    for (;;) {
      const first = this.#chunks[0];
      if (first === undefined || this.#size - first.length < TAIL_BYTES_MAX) return;
      this.#chunks.shift();
      this.#size -= first.length;
    }
  }

  /** The last lines, without the last line's end. */
  text(): string {
    const lines = Buffer.concat(this.#chunks).toString('utf8').trimEnd().split('\n');
    return lines.slice(-TAIL_LINES_MAX).join('\n');
  }
}

/** A RUN whose command did not succeed. `exitCode` is the command's own, as a shell tells it. */
export class RunFailedError extends UserError {
  override name = 'RunFailedError';
  readonly exitCode: number;
  /** `SIGKILL`, … if a signal ended the command. */
  readonly signal: string | undefined;
  /** The command's last lines. */
  readonly tail: string;

  constructor({
    instruction,
    result,
    tail,
  }: {
    instruction: RunInstruction;
    result: { readonly exitCode: number; readonly signal: string | undefined };
    tail: string;
  }) {
    const { exitCode, signal } = result;
    const how = signal === undefined ? `exit status ${exitCode}` : `killed by ${signal}`;
    super('TSB_RUN_FAILED', `Cannot run "${commandText(instruction)}": ${how}`, {
      source: instruction.source,
    });
    this.exitCode = exitCode;
    this.signal = signal;
    this.tail = tail;
  }
}
