import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';

import type { Fd } from '../sys/fd.js';
import { pipe } from '../sys/pipe.js';
import { assert } from '../util/assert.js';
import { UserError } from '../util/errors.js';
import { CONTROL_FD } from './messages.js';

/** Who the command's standard streams belong to. */
export interface HelperStreams {
  readonly stdin: 'null' | 'inherit';
  /** `capture`: pipes to tsbuild. `inherit`: tsbuild's own streams and its terminal session. */
  readonly output: 'capture' | 'inherit';
}

/** How long the init may take to end the RUN, before it is killed itself. */
const KILL_MS = 1000;
const INIT_PROCESS = fileURLToPath(new URL('init-process.js', import.meta.url));

/**
 * The processes of one RUN, started before there is anything to run: pid 1 of a new pid namespace
 * (see init-process.ts) and its runner. They wait for one request, serve it and end. They have
 * tsbuild's own mount namespace until then, so they pin no mount; they die with the thread that
 * started them (use the main thread), and when disposed of.
 */
export class RunHelper implements AsyncDisposable {
  readonly streams: HelperStreams;
  /** Ends when nothing of the RUN is left that could write. Undefined if inherited. */
  readonly stdout: Socket | undefined;
  readonly stderr: Socket | undefined;
  /** Duplex: requests down, events up. */
  readonly control: Socket;
  /** Resolves when all processes are gone; rejects if they could not be started. */
  readonly ended: Promise<void>;
  readonly #child: ChildProcess;
  #deadline: NodeJS.Timeout | undefined;
  #used = false;

  private constructor(
    child: ChildProcess,
    streams: HelperStreams,
    outputs: { readonly stdout: Socket; readonly stderr: Socket } | undefined,
  ) {
    this.#child = child;
    this.streams = streams;
    this.stdout = outputs?.stdout;
    this.stderr = outputs?.stderr;
    const control = child.stdio[CONTROL_FD];
    assert(control instanceof Socket, 'the control channel is a socket');
    this.control = control;
    // A helper that dies shows in `ended`; what it did not read or write any more is no news.
    control.on('error', () => undefined);
    this.ended = waitFor(child);
    this.ended.catch(() => undefined);
  }

  /** Starts the processes, without waiting for them. */
  static start(streams: HelperStreams = { stdin: 'null', output: 'capture' }): RunHelper {
    if (streams.output === 'inherit') {
      const child = spawnInit(streams, ['inherit', 'inherit']);
      return new RunHelper(child, streams, undefined);
    }
    const stdout = pipe();
    const stderr = pipe();
    using stdoutEnd = stdout.write;
    using stderrEnd = stderr.write;
    const child = spawnInit(streams, [stdoutEnd.raw, stderrEnd.raw]);
    return new RunHelper(child, streams, {
      stdout: readable(stdout.read),
      stderr: readable(stderr.read),
    });
  }

  /** Marks the helper as taken: it serves one RUN only. */
  take(): void {
    assert(!this.#used, 'a helper serves one RUN');
    this.#used = true;
  }

  /**
   * Ends every process of the RUN at once. The init does it, so that `ended` comes after the last
   * of them; killing its parent would end them too, but a little later.
   */
  kill(): void {
    const { pid, exitCode, signalCode } = this.#child;
    if (pid === undefined || exitCode !== null || signalCode !== null) return;
    this.control.destroy();
    this.#deadline ??= setTimeout(() => this.#child.kill('SIGKILL'), KILL_MS);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.kill();
    this.control.destroy();
    this.stdout?.destroy();
    this.stderr?.destroy();
    await this.ended.catch(() => undefined);
    clearTimeout(this.#deadline);
  }
}

/**
 * The chain setpriv → unshare → init: each has the signal that ends it when its parent dies, and
 * the init's death ends the pid namespace. Only the pid namespace is made here: the others wait
 * until the RUN begins, because a copy of the mounts made now would keep a later unmounted file
 * system alive and miss a later mounted one.
 */
function spawnInit(
  streams: HelperStreams,
  outputs: readonly ['inherit' | number, 'inherit' | number],
): ChildProcess {
  return spawn(
    'setpriv',
    [
      ...['--pdeathsig', 'KILL', '--', 'unshare', '--pid', '--fork', '--kill-child', '--'],
      ...[process.execPath, INIT_PROCESS],
    ],
    {
      stdio: [streams.stdin === 'null' ? 'ignore' : 'inherit', ...outputs, 'pipe'],
      // A session of its own: Ctrl-C in the terminal is for tsbuild, which passes it on.
      detached: streams.output === 'capture',
      cwd: '/',
      env: { PATH: process.env.PATH ?? '/usr/sbin:/usr/bin:/sbin:/bin' },
    },
  );
}

async function waitFor(child: ChildProcess): Promise<void> {
  try {
    await once(child, 'exit');
  } catch (error) {
    throw new UserError('TSB_MISSING_TOOL', 'Cannot start "setpriv": it is not installed', {
      hint: 'apt-get install util-linux',
      cause: error,
    });
  }
}

/** The read end as a stream, which owns it. */
function readable(end: Fd): Socket {
  return new Socket({ fd: end.release(), readable: true, writable: false });
}
