import { spawn } from 'node:child_process';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UserError } from '../util/errors.js';

/** Lines of the tool's output that an error message repeats. */
const LAST_LINES_MAX = 12;
/** What is kept of the output to take them from. */
const TAIL_BYTES = 16 * 1024;

/**
 * Init of the tool's PID namespace: the tool's files belong to ids of the user namespace, which
 * nobody outside may remove, so it is this shell that does, at the end and when tsbuild dies.
 */
const INIT_SCRIPT = `
remove() { cd / && rm -rf --one-file-system -- "$TMPDIR"; rmdir -- "\${TMPDIR%/*}"; }
trap 'kill -KILL -1; remove; exit 143' TERM INT HUP
mkdir -m 755 -- "$TMPDIR" || exit
"$@" & wait $!
code=$?
remove
exit $code`;

/** How to run the tool. */
export interface ToolRun {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly asRoot: boolean;
  /** What to do if it fails. */
  readonly failureHint: string;
  readonly signal: AbortSignal | undefined;
  /** Takes what the tool says, as it says it. */
  readonly onOutput: ((chunk: Buffer) => void) | undefined;
}

/**
 * Runs the tool in namespaces of its own and hands its standard output to `consume`. Returns
 * what that returns once both have succeeded. Whatever happens, the tool's processes and files
 * are gone afterwards. Throws TSB_BOOTSTRAP with the tool's last lines if it fails.
 */
export async function runTool<T>(
  run: ToolRun,
  consume: (output: AsyncIterable<Buffer>) => Promise<T>,
): Promise<T> {
  run.signal?.throwIfAborted();
  const dir = await mkdtemp(join(tmpdir(), 'tsbuild-bootstrap-'));
  try {
    // apt downloads as a user of its own, who must get through.
    await chmod(dir, 0o711);
    return await runIn(join(dir, 'tool'), run, consume);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function runIn<T>(
  temporaryDir: string,
  run: ToolRun,
  consume: (output: AsyncIterable<Buffer>) => Promise<T>,
): Promise<T> {
  const { command, env, asRoot, signal, onOutput } = run;
  const [program = '', ...args] = wrap(command, asRoot);
  const child = spawn(program, args, {
    cwd: '/',
    env: { ...env, TMPDIR: temporaryDir },
    stdio: ['ignore', 'pipe', 'pipe'],
    // Ctrl-C of the terminal comes by way of `signal`.
    detached: true,
  });
  let tail = Buffer.alloc(0);
  child.stderr.on('data', (chunk: Buffer) => {
    tail = Buffer.concat([tail, chunk]).subarray(-TAIL_BYTES);
    onOutput?.(chunk);
  });
  // unshare blocks SIGTERM; when it is gone, its child gets one and cleans up. `close` comes when
  // nobody holds the pipes any more.
  const stop = (): void => void child.kill('SIGKILL');
  const ended = new Promise<string | undefined>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, killedBy) => {
      resolve(code === 0 ? undefined : `exit status ${killedBy ?? code ?? ''}`);
    });
  });
  signal?.addEventListener('abort', stop, { once: true });
  try {
    const [consumed, failure] = await Promise.allSettled([
      consume(child.stdout).catch((error: unknown) => {
        // Nobody reads any more; the pipe must not keep `close` from coming.
        child.stdout.destroy();
        if (!isCutOff(error)) stop();
        throw error;
      }),
      ended,
    ]);
    signal?.throwIfAborted();
    if (failure.status === 'rejected') throw failure.reason;
    // A tar that is cut off says less than the tool that cut it off.
    const toolFirst = consumed.status === 'fulfilled' || isCutOff(consumed.reason);
    if (failure.value !== undefined && toolFirst) throw toolFailed(run, failure.value, tail);
    if (consumed.status === 'rejected') throw consumed.reason;
    return consumed.value;
  } finally {
    signal?.removeEventListener('abort', stop);
  }
}

/** The command in namespaces that end with tsbuild. */
function wrap(command: readonly string[], asRoot: boolean): string[] {
  return [
    ...['setpriv', '--pdeathsig', 'KILL'],
    ...['unshare', ...(asRoot ? [] : ['--user', '--map-root-user', '--map-auto'])],
    ...['--mount', '--pid', '--fork', '--kill-child=TERM', '--mount-proc'],
    ...['sh', '-c', INIT_SCRIPT, 'bootstrap', ...command],
  ];
}

function isCutOff(error: unknown): boolean {
  return error instanceof UserError && error.code === 'TSB_LAYER_INVALID';
}

function toolFailed({ command, failureHint }: ToolRun, status: string, tail: Buffer): UserError {
  const lines = tail
    .toString('utf8')
    .split(/[\r\n]+/)
    .map((line) => line.trimEnd())
    .filter((line) => line !== '')
    .slice(-LAST_LINES_MAX);
  const name = command.some((word) => word.endsWith('/debootstrap')) ? 'debootstrap' : 'mmdebstrap';
  return new UserError(
    'TSB_BOOTSTRAP',
    [`Cannot bootstrap: ${name} failed with ${status}`, ...lines].join('\n'),
    { hint: failureHint },
  );
}
