import { spawn, type ChildProcess } from 'node:child_process';
import { constants } from 'node:os';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

/** The compiled command line. */
export const TSBUILD_MAIN: string = fileURLToPath(new URL('../../cmd/main.js', import.meta.url));

/** How a test starts tsbuild. */
export interface TsbuildOptions {
  /** The store; required, so that no test touches the developer's own. */
  readonly root: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly input?: string | Buffer;
  /** An ordinary user to run as (needs root). */
  readonly user?: string;
  readonly timeoutMs?: number;
}

/** What a finished tsbuild left; `exitCode` is 128 + the signal's number if one ended it. */
export interface TsbuildResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A running tsbuild. `done` never rejects because of an exit code. */
export interface RunningTsbuild {
  readonly child: ChildProcess;
  readonly done: Promise<TsbuildResult>;
}

/** The longest that a test lets one command run. */
const TIMEOUT_MS = 300_000;

/** Starts tsbuild; the caller awaits `done`, or kills the child first. */
export function startTsbuild(args: readonly string[], options: TsbuildOptions): RunningTsbuild {
  const prefix = options.user === undefined ? [] : ['runuser', '-u', options.user, '--'];
  const [file = '', ...rest] = [...prefix, process.execPath, TSBUILD_MAIN, ...args];
  const child = spawn(file, rest, {
    env: { ...process.env, TSBUILD_ROOT: options.root, ...options.env },
    cwd: options.cwd,
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: options.timeoutMs ?? TIMEOUT_MS,
  });
  child.stdin.end(options.input ?? '');
  const exit = new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
    });
  });
  const done = Promise.all([exit, text(child.stdout), text(child.stderr)]).then(
    ([exitCode, stdout, stderr]) => ({ exitCode, stdout, stderr }),
  );
  return { child, done };
}

/** Runs tsbuild to its end. */
export function tsbuild(args: readonly string[], options: TsbuildOptions): Promise<TsbuildResult> {
  return startTsbuild(args, options).done;
}

/** Runs tsbuild and throws, with all it said, unless it succeeds. Returns standard output. */
export async function tsbuildOk(args: readonly string[], options: TsbuildOptions): Promise<string> {
  const result = await tsbuild(args, options);
  if (result.exitCode !== 0) {
    const said = `${result.stdout}\n${result.stderr}`;
    throw new Error(`tsbuild ${args.join(' ')} exited with ${result.exitCode}\n${said}`);
  }
  return result.stdout;
}
