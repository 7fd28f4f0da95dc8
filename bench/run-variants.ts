import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Variant } from './measure.js';
import { BASE, quickstartCommand, run, type Workbench } from './workbench.js';

/** Prints how long the command took inside, so that starting and unmounting is left out. */
function timedScript(workbench: Workbench): string {
  return [
    `export http_proxy=${workbench.proxyUrl} DEBIAN_FRONTEND=noninteractive`,
    'start=$(date +%s%N)',
    `{ ${quickstartCommand()}; } >/dev/null 2>&1 || exit 1`,
    'echo "elapsed $(( ($(date +%s%N) - start) / 1000 ))"',
  ].join('\n');
}

function elapsedMs(output: string): number {
  const micros = /^elapsed (\d+)$/m.exec(output)?.[1];
  if (micros === undefined) throw new Error(`Cannot find the time in ${JSON.stringify(output)}`);
  return Number(micros) / 1000;
}

/** A variant that mounts with `mountLine` and runs the command in a chroot there. */
function chrootVariant(workbench: Workbench, name: string, mountLine: string): Variant {
  const dir = join(workbench.dir, 'chroot');
  const script = `set -eu
cd "$1"
${mountLine}
mount --bind /proc merged/proc
mount --rbind /dev merged/dev
cp /etc/resolv.conf merged/etc/resolv.conf
chroot merged /bin/sh -c "$2"
`;
  return {
    name,
    run: async () => {
      for (const sub of ['upper', 'work', 'merged']) {
        mkdirSync(join(dir, sub), { recursive: true });
      }
      writeFileSync(join(dir, 'script'), script);
      const inside = ['sh', join(dir, 'script'), dir, timedScript(workbench)];
      const output = await run('unshare', ['--mount', '--pid', '--fork', ...inside]);
      return elapsedMs(output);
    },
    reset: async () => {
      await run('rm', ['-rf', dir]);
    },
  };
}

/** The quickstart's apt-get install alone, on each overlay. */
export function runVariants(workbench: Workbench): Variant[] {
  const options = `lowerdir=${workbench.rootfs},upperdir=upper,workdir=work`;
  const inTsbuild = ['run', BASE, '/bin/sh', '-c', timedScript(workbench)];
  return [
    {
      name: 'tsbuild',
      run: async () => elapsedMs(await workbench.tsbuild(...inTsbuild)),
    },
    chrootVariant(workbench, 'fuse-overlayfs', `fuse-overlayfs -o ${options} merged`),
    chrootVariant(
      workbench,
      'kernel overlayfs, volatile',
      `mount -t overlay overlay -o ${options},volatile merged`,
    ),
  ];
}
