import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import type { LayerId } from '../layer/types.js';
import type { MountedJob, MountedResult } from './mounted-shell-process.js';
import type { LayerFixture } from './overlay-fixture.js';

const CHILD = fileURLToPath(new URL('mounted-shell-process.js', import.meta.url));

/**
 * Mounts layers (base first) in a private mount namespace, runs a bash script with the mount as
 * its working directory, and commits. Resolves to what the script wrote, and the new layer; a
 * script that fails rejects. Needs root and /dev/fuse.
 */
export async function runMounted(
  fixture: LayerFixture,
  lowers: readonly LayerId[],
  script: string,
  { openFilesMax = 1024 }: { readonly openFilesMax?: number } = {},
): Promise<{ output: string; upper: LayerId; changes: number }> {
  const upper = fixture.newId();
  const mountpoint = path.join(fixture.root, `mount-${upper}`);
  fs.mkdirSync(mountpoint);
  const job: MountedJob = {
    mount: {
      lowers: lowers.map((id) => ({ kind: 'indexed', id })),
      layerDirs: fixture.root,
      upperdir: fixture.dirOf(upper),
      mountpoint,
    },
    script: `set -eu -o pipefail\n${script}`,
  };
  const unshare = ['unshare', '--mount', '--propagation', 'private'];
  // The hard limit, because Node raises the soft one to it.
  const args = [`--nofile=${openFilesMax}`, ...unshare, process.execPath, CHILD];
  const child = spawn('prlimit', [...args, JSON.stringify(job)], {
    stdio: ['ignore', 'inherit', 'inherit', 'pipe'],
  });
  let text = '';
  child.stdio[3]?.on('data', (chunk: Buffer) => (text += chunk.toString()));
  await once(child, 'close');
  fs.rmdirSync(mountpoint);
  if (text === '') throw new Error('Cannot run a script in a mount: its process ended');
  const { status, output, error, changes = 0 } = JSON.parse(text) as MountedResult;
  if (status !== 0) throw new Error(`Script failed (${String(status)}): ${error ?? ''}\n${output}`);
  return { output, upper, changes };
}
