import { EXIT } from '../src/util/error-codes.js';
import { UserError } from '../src/util/errors.js';

/** The signals that end a command. */
export type Signal = 'SIGINT' | 'SIGTERM' | 'SIGHUP';
const SIGNALS: Readonly<Record<Signal, number>> = {
  SIGINT: EXIT.sigint,
  SIGTERM: EXIT.sigterm,
  SIGHUP: EXIT.sighup,
};

/** What the process has been told to do by a signal. */
export interface Signals {
  /** Aborts at the first signal, with its name as the reason. */
  readonly signal: AbortSignal;
  readonly received: Signal | undefined;
  /** From now on Ctrl-C is for a child in the foreground alone, as in a shell. */
  leaveInterruptsToChild(): void;
  /** What to report when a signal has ended the command. */
  error(): InterruptedError;
  /** Gives the signals their default effect back. */
  stop(): void;
}

/** The command was ended by a signal; `exitCode` is the shell's 128 + n. */
export class InterruptedError extends UserError {
  readonly exitCode: number;

  constructor(signal: Signal) {
    super('TSB_INTERRUPTED', `Interrupted by ${signal}`);
    this.exitCode = SIGNALS[signal];
  }
}

/**
 * Listens for SIGINT, SIGTERM and SIGHUP: the first aborts, so that the command cleans up; the
 * second ends the process at once (what it started dies with it).
 */
export function listenForSignals(): Signals {
  const controller = new AbortController();
  let received: Signal | undefined;
  let isChildInForeground = false;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (isChildInForeground && signal === 'SIGINT') return;
    if (received !== undefined) process.exit(SIGNALS[received]);
    received = signal as Signal;
    controller.abort(received);
  };
  const names = Object.keys(SIGNALS) as Signal[];
  for (const name of names) process.on(name, onSignal);
  return {
    signal: controller.signal,
    get received() {
      return received;
    },
    leaveInterruptsToChild: () => {
      isChildInForeground = true;
    },
    error: () => new InterruptedError(received ?? 'SIGINT'),
    stop: () => {
      for (const name of names) process.off(name, onSignal);
    },
  };
}
