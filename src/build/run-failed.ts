import type { RunInstruction } from '../dockerfile/ast.js';
import type { RunResult } from '../exec/run-spec.js';
import { configPlatform, type ImageConfig } from '../oci/config.js';
import { formatPlatform, hostPlatform, platformMatches } from '../oci/platform.js';
import { shortPlatform, type Platform } from '../oci/platform.js';
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
    image,
  }: {
    instruction: RunInstruction;
    result: RunResult;
    tail: string;
    /** For a hint, should the command be another machine's. */
    image?: ImageConfig;
  }) {
    const { exitCode, signal } = result;
    const how = signal === undefined ? `exit status ${exitCode}` : `killed by ${signal}`;
    super('TSB_RUN_FAILED', `Cannot run "${commandText(instruction)}": ${how}`, {
      source: instruction.source,
      ...(image !== undefined && emulatorHint(configPlatform(image), tail)),
    });
    this.exitCode = exitCode;
    this.signal = signal;
    this.tail = tail;
  }
}

/** What to type when the kernel could not start a program of another architecture. */
function emulatorHint(platform: Platform, tail: string): { hint?: string } {
  if (platformMatches(platform, hostPlatform())) return {};
  const what = `programs of ${formatPlatform(shortPlatform(platform))}`;
  if (/exec format error/i.test(tail)) {
    const type = 'sudo apt-get install qemu-user-static binfmt-support';
    return { hint: `To run ${what}, install an emulator: ${type}` };
  }
  if (tail.includes('its interpreter was not found')) {
    return { hint: `If an emulator is to run ${what}, register it with the flag F` };
  }
  return {};
}
