/*
 * Mounts an overlay, runs a shell script in it and commits it: the child of `runMounted`, in a
 * mount namespace of its own. Reads its job as JSON from the first argument, and writes the
 * result as JSON to the descriptor 3.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeSync } from 'node:fs';

import { OverlayServer } from '../overlay/overlay-server.js';
import type { MountRequest } from '../overlay/server-messages.js';
import { messageOf } from '../util/errors.js';

/** What to do. */
export interface MountedJob {
  readonly mount: MountRequest;
  readonly script: string;
}

/** What came of it. */
export interface MountedResult {
  readonly status: number | null;
  readonly output: string;
  readonly error?: string;
  readonly changes?: number;
}

async function run({ mount, script }: MountedJob): Promise<MountedResult> {
  await using server = OverlayServer.start();
  await using mounted = await server.mount(mount);
  const shell = spawn('bash', ['-c', script], {
    cwd: mount.mountpoint,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  shell.stdout.on('data', (chunk: Buffer) => (output += chunk.toString('latin1')));
  shell.stderr.on('data', (chunk: Buffer) => (output += chunk.toString('latin1')));
  const [status] = (await once(shell, 'close')) as [number | null];
  if (mount.upperdir === undefined) return { status, output };
  const { changes } = await mounted.commit();
  return { status, output, changes };
}

const job = JSON.parse(process.argv[2] ?? '') as MountedJob;
const result = await run(job).catch((error: unknown): MountedResult => {
  const stack = error instanceof Error ? error.stack : undefined;
  return { status: null, output: '', error: stack ?? messageOf(error) };
});
writeSync(3, JSON.stringify(result));
