import { constants } from 'node:os';
import type { Readable } from 'node:stream';

import { UserError } from '../util/errors.js';
import { sandboxError } from './failure.js';
import { RunHelper } from './helper.js';
import type { HelperStreams } from './helper.js';
import type { CompleteSpec, Event } from './messages.js';
import { LineSplitter, formatMessage } from './messages.js';
import { formatHosts, readResolvConf } from './network-files.js';
import type { OutputHandler, RunResult, RunSpec } from './run-spec.js';

/** How long a RUN may clean up after the signal that interrupts it, before it is killed. */
export const RUN_GRACE_MS = 2000;
/**
 * How long the output may stay silent after the last process has ended: only somebody outside who
 * was handed the descriptor can hold it open then.
 */
const DRAIN_IDLE_MS = 2000;

/** What {@link runCommand} takes besides the command. */
export interface RunOptions {
  /**
   * Interrupts the RUN: its process group gets SIGINT if the reason is `'SIGINT'`, else SIGTERM,
   * and is killed after RUN_GRACE_MS. It is killed at once if the reason is an error: then there
   * is nothing left to clean up in.
   */
  readonly signal?: AbortSignal;
  /** Takes the output as it comes, each stream in order; the command waits for a slow one. */
  readonly onOutput?: OutputHandler;
  /** From {@link prestart}; taken over and disposed of. */
  readonly helper?: RunHelper;
}

/** Starts the processes of a coming RUN (without a terminal), which hides their start time. */
export function prestart(): RunHelper {
  return RunHelper.start();
}

/**
 * Runs one command in a sandbox with `rootfs` as its root; see README.md. Resolves when every
 * process of it is gone and its output delivered. Throws UserError TSB_SANDBOX (it could not be
 * set up), TSB_MISSING_TOOL, TSB_INTERRUPTED (`signal`); a command that fails is a result.
 */
export async function runCommand(spec: RunSpec, options: RunOptions = {}): Promise<RunResult> {
  const { signal, onOutput = () => undefined } = options;
  await using helper = options.helper ?? RunHelper.start(streamsOf(spec));
  helper.take();
  throwIfInterrupted(signal);
  using _interruption = interruptOn(signal, helper);
  helper.control.write(formatMessage({ kind: 'run', spec: complete(spec) }));
  const outputs = [
    deliver(helper, helper.stdout, (chunk) => onOutput('stdout', chunk)),
    deliver(helper, helper.stderr, (chunk) => onOutput('stderr', chunk)),
  ];
  const [events] = await Promise.all([readEvents(helper.control), ...outputs, helper.ended]);
  throwIfInterrupted(signal);
  const result = resultOf(events);
  if (result.message !== undefined) {
    await onOutput('stderr', Buffer.from(`${result.message}\n`));
  }
  return { exitCode: result.exitCode, signal: result.signal };
}

function streamsOf({ stdin, tty }: RunSpec): HelperStreams {
  if (tty === true) return { stdin: 'inherit', output: 'inherit' };
  return { stdin: stdin ?? 'null', output: 'capture' };
}

function complete(spec: RunSpec): CompleteSpec {
  const hosts = spec.hosts ?? formatHosts(spec.hostname);
  return { ...spec, hosts, resolvConf: spec.resolvConf ?? readResolvConf(spec.network) };
}

function throwIfInterrupted(signal: AbortSignal | undefined): void {
  if (signal?.aborted !== true) return;
  throw new UserError('TSB_INTERRUPTED', 'The command was interrupted', { cause: signal.reason });
}

/** Passes an abort on to the RUN, until disposed of. */
function interruptOn(signal: AbortSignal | undefined, helper: RunHelper): Disposable {
  let grace: NodeJS.Timeout | undefined;
  const interrupt = (): void => {
    if (signal?.reason instanceof UserError) {
      helper.kill();
      return;
    }
    const name = signal?.reason === 'SIGINT' ? 'SIGINT' : 'SIGTERM';
    helper.control.write(formatMessage({ kind: 'signal', signal: name }));
    grace = setTimeout(() => helper.kill(), RUN_GRACE_MS);
  };
  signal?.addEventListener('abort', interrupt, { once: true });
  return {
    [Symbol.dispose](): void {
      signal?.removeEventListener('abort', interrupt);
      clearTimeout(grace);
    },
  };
}

/** Hands a stream's chunks on, one after the other, to its end. */
async function deliver(
  helper: RunHelper,
  stream: Readable | undefined,
  take: (chunk: Buffer) => void | Promise<void>,
): Promise<void> {
  if (stream === undefined) return;
  let idle: NodeJS.Timeout | undefined;
  const watch = (): void => {
    if (!stream.readableEnded && !stream.destroyed)
      idle = setTimeout(() => stream.push(null), DRAIN_IDLE_MS);
  };
  void helper.ended.then(watch, watch);
  try {
    for await (const chunk of stream) {
      await take(chunk as Buffer);
      idle?.refresh();
    }
  } catch (error) {
    helper.kill();
    throw error;
  } finally {
    clearTimeout(idle);
  }
}

async function readEvents(control: Readable): Promise<Event[]> {
  const lines = new LineSplitter();
  const events: Event[] = [];
  control.on('data', (chunk: Buffer) => {
    for (const line of lines.push(chunk)) events.push(JSON.parse(line) as Event);
  });
  await new Promise((resolve) => control.once('close', resolve));
  return events;
}

/** What the events add up to; `message`: what a shell would say on stderr. */
function resultOf(events: readonly Event[]): RunResult & { readonly message?: string } {
  for (const event of events) {
    if (event.kind === 'failed') throw sandboxError(event);
    if (event.kind === 'not-started') {
      return { exitCode: event.status, signal: undefined, message: event.message };
    }
  }
  const last = events.at(-1);
  if (!events.some(({ kind }) => kind === 'exec')) {
    const message = 'its processes ended before it began';
    throw sandboxError({ step: 'start the sandbox', code: '', message });
  }
  if (last?.kind !== 'exited') {
    // The init has gone without a word: the kernel's out-of-memory killer, or somebody's kill -9.
    return { exitCode: 128 + constants.signals.SIGKILL, signal: 'SIGKILL' };
  }
  if (last.signal === null) return { exitCode: last.code ?? 0, signal: undefined };
  const number = constants.signals[last.signal as NodeJS.Signals];
  return { exitCode: 128 + number, signal: last.signal };
}
