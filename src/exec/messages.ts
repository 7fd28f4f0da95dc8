import type { RunSpec } from './run-spec.js';

/**
 * What the three processes of a RUN tell each other: one JSON text a line. tsbuild and the init
 * speak over descriptor 3 of the init; the init and the runner over 3 (down) and 4 (up) of the
 * runner.
 */
export const CONTROL_FD = 3;
export const REPORT_FD = 4;

/** A specification whose defaults are filled in. */
export type CompleteSpec = RunSpec & { readonly hosts: string; readonly resolvConf: string };

/** tsbuild → init. The first one is `run`. */
export type Request =
  | { readonly kind: 'run'; readonly spec: CompleteSpec }
  | { readonly kind: 'signal'; readonly signal: NodeJS.Signals };

/** Runner → init, and passed on to tsbuild (without `rooted`). */
export type Report =
  /** The root is in place; `pid` is the runner's in tsbuild's pid namespace. Wants a `go` line. */
  | { readonly kind: 'rooted'; readonly pid: number }
  /** The command takes over now, unless a failure follows. */
  | { readonly kind: 'exec' }
  /** tsbuild could not set the sandbox up; `step` is a verb phrase. */
  | {
      readonly kind: 'failed';
      readonly step: string;
      readonly code: string;
      readonly message: string;
    }
  /** The command cannot be started, as a shell would tell it. */
  | { readonly kind: 'not-started'; readonly status: 126 | 127; readonly message: string };

/** Init → tsbuild. */
export type Event =
  | Report
  | { readonly kind: 'exited'; readonly code: number | null; readonly signal: string | null };

/** One message as a line. */
export function formatMessage(message: Request | Report | Event): string {
  return `${JSON.stringify(message)}\n`;
}

/** Cuts a byte stream into lines; what follows the last newline waits for more. */
export class LineSplitter {
  #rest = '';
  readonly #decoder = new TextDecoder();

  /** The complete lines up to the end of `chunk`. */
  push(chunk: Uint8Array): string[] {
    const lines = (this.#rest + this.#decoder.decode(chunk, { stream: true })).split('\n');
    this.#rest = lines.pop() ?? '';
    return lines;
  }
}
