/*
 * Mounts overlays one after the other on one server, runs a shell script in each and ends it: the
 * child of `runMounted`, in a mount namespace of its own. Reads its job as JSON from the first
 * argument, and writes the results as JSON to the descriptor 3.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeSync } from 'node:fs';

import { OverlayServer } from '../overlay/overlay-server.js';
import {
  encodeError,
  type MountReport,
  type MountRequest,
  type WireError,
} from '../overlay/server-messages.js';
import type { LogTarget } from '../util/log.js';

/** What to do in one mount, and how to end it. */
export interface MountedStep {
  readonly mount: MountRequest;
  readonly script: string;
  /** `die`: this process kills itself. */
  readonly end: 'commit' | 'discard' | 'kill server' | 'die';
}

/** The steps of one server. */
export interface MountedJob {
  readonly steps: readonly MountedStep[];
  /** The server's. */
  readonly log?: LogTarget | undefined;
}

/** What came of a step. */
export interface MountedResult {
  readonly serverPid: number;
  readonly status: number | null;
  readonly output: string;
  readonly changes?: number;
  readonly report?: MountReport;
  readonly error?: WireError;
}

async function runScript(
  cwd: string,
  script: string,
): Promise<Pick<MountedResult, 'status' | 'output'>> {
  const shell = spawn('bash', ['-c', script], { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  shell.stdout.on('data', (chunk: Buffer) => (output += chunk.toString('latin1')));
  shell.stderr.on('data', (chunk: Buffer) => (output += chunk.toString('latin1')));
  const [status] = (await once(shell, 'close')) as [number | null];
  return { status, output };
}

async function run(server: OverlayServer, step: MountedStep): Promise<MountedResult> {
  const serverPid = server.pid ?? 0;
  let result: MountedResult = { serverPid, status: null, output: '' };
  try {
    await using mounted = await server.mount(step.mount);
    result = { serverPid, ...(await runScript(step.mount.mountpoint, step.script)) };
    if (step.end === 'die') {
      writeSync(3, JSON.stringify([result]));
      process.kill(process.pid, 'SIGKILL');
    }
    if (step.end === 'kill server') process.kill(serverPid, 'SIGKILL');
    if (step.end === 'discard') {
      await mounted.discard();
      return result;
    }
    const { changes } = await mounted.commit();
    return { ...result, changes, report: mounted.report };
  } catch (error) {
    return { ...result, error: encodeError(error) };
  }
}

const { steps, log } = JSON.parse(process.argv[2] ?? '') as MountedJob;
const results: MountedResult[] = [];
await using server = OverlayServer.start({ ...(log !== undefined && { log }) });
for (const step of steps) results.push(await run(server, step));
writeSync(3, JSON.stringify(results));
