import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Variant } from './measure.js';
import { BASE, run, type Workbench } from './workbench.js';

const IMAGE = 'bench';

/** buildah with a store of its own, in which the base has been imported. */
async function buildahVariant(
  workbench: Workbench,
  name: string,
  storageOptions: readonly string[],
): Promise<Variant> {
  const root = join(workbench.dir, name.replaceAll(/\W+/g, '-'));
  await run('rm', ['-rf', root]);
  mkdirSync(root);
  const common = [
    ...['--root', join(root, 'root'), '--runroot', join(root, 'run')],
    ...['--storage-driver', 'overlay', ...storageOptions],
  ];
  const id = await run('buildah', [...common, 'pull', '--quiet', `oci:${workbench.layout}`]);
  await run('buildah', [...common, 'tag', id.trim(), `docker.io/library/${BASE}`]);
  const proxy = ['--build-arg', `http_proxy=${workbench.proxyUrl}`];
  return {
    name,
    run: async () => {
      const options = ['--isolation', 'chroot', '--no-cache', '--pull=never', '-t', IMAGE];
      const file = join(workbench.context, 'Buildfile');
      const build = [...common, 'bud', ...options, ...proxy, '-f', file, workbench.context];
      await run('buildah', build);
      return undefined;
    },
    reset: async () => {
      await run('buildah', [...common, 'rmi', '--force', IMAGE]);
    },
  };
}

/** The whole quickstart build into the local store, by tsbuild and by buildah. */
export async function buildVariants(workbench: Workbench): Promise<Variant[]> {
  const proxy = ['--build-arg', `http_proxy=${workbench.proxyUrl}`];
  const fuse = ['--storage-opt', 'overlay.mount_program=/usr/bin/fuse-overlayfs'];
  return [
    {
      name: 'tsbuild build',
      run: async () => {
        const options = ['--no-cache', '--progress', 'quiet', '-t', IMAGE];
        await workbench.tsbuild('build', ...options, ...proxy, workbench.context);
        return undefined;
      },
      reset: async () => {
        await workbench.tsbuild('rmi', IMAGE);
        await workbench.tsbuild('prune');
      },
    },
    await buildahVariant(workbench, 'buildah, fuse-overlayfs', fuse),
    await buildahVariant(workbench, 'buildah, kernel overlayfs', []),
  ];
}
