import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import type { LayerId } from '../layer/types.js';
import type { LogTarget } from '../util/log.js';
import type { MountedJob, MountedResult, MountedStep } from './mounted-shell-process.js';
import type { LayerFixture } from './overlay-fixture.js';

const CHILD = fileURLToPath(new URL('mounted-shell-process.js', import.meta.url));

/** How to run the process that mounts. */
export interface MountedOptions {
  /** RLIMIT_NOFILE of the process and the server. */
  readonly openFilesMax?: number;
  /** The server's log. */
  readonly log?: LogTarget;
  /** As root of a user namespace that has no other ids. */
  readonly userNamespace?: boolean;
}

/** Runs steps in one process, in a private mount namespace. Needs root and /dev/fuse. */
export async function runSteps(
  steps: readonly MountedStep[],
  { openFilesMax = 1024, log, userNamespace = false }: MountedOptions = {},
): Promise<MountedResult[]> {
  const unshare = ['unshare', '--mount', '--propagation', 'private'];
  if (userNamespace) unshare.push('--map-root-user');
  // The hard limit, because Node raises the soft one to it.
  const args = [`--nofile=${openFilesMax}`, ...unshare, process.execPath, CHILD];
  const job: MountedJob = { steps, log };
  const child = spawn('prlimit', [...args, JSON.stringify(job)], {
    stdio: ['ignore', 'inherit', 'inherit', 'pipe'],
  });
  let text = '';
  child.stdio[3]?.on('data', (chunk: Buffer) => (text += chunk.toString()));
  await once(child, 'close');
  if (text === '') throw new Error('Cannot run a script in a mount: its process ended');
  return JSON.parse(text) as MountedResult[];
}

/** A step on layers of the fixture (base first), with a new mount point and upper directory. */
export function stepOn(
  fixture: LayerFixture,
  lowers: readonly LayerId[],
  step: Pick<MountedStep, 'script' | 'end'>,
): MountedStep & { readonly upper: LayerId } {
  const upper = fixture.newId();
  const mountpoint = path.join(fixture.root, `mount-${upper}`);
  fs.mkdirSync(mountpoint);
  const mount = {
    lowers: lowers.map((id) => ({ kind: 'indexed', id }) as const),
    layerDirs: fixture.root,
    upperdir: fixture.dirOf(upper),
    mountpoint,
  };
  return { ...step, mount, upper };
}

/**
 * Mounts layers (base first), runs a bash script with the mount as its working directory, and
 * commits. Resolves to what the script wrote, and the new layer; a script that fails rejects.
 */
export async function runMounted(
  fixture: LayerFixture,
  lowers: readonly LayerId[],
  script: string,
  options: MountedOptions = {},
): Promise<{ output: string; upper: LayerId; changes: number }> {
  const strict = `set -eu -o pipefail\n${script}`;
  const { upper, ...step } = stepOn(fixture, lowers, { script: strict, end: 'commit' });
  const [result] = await runSteps([step], options);
  const { status = null, output = '', error, changes = 0 } = result ?? {};
  if (status !== 0 || error !== undefined) {
    const why = error?.stack ?? error?.message ?? '';
    throw new Error(`Script failed (${String(status)}): ${why}\n${output}`);
  }
  return { output, upper, changes };
}
