import { chmodSync, chownSync, renameSync, rmdirSync } from 'node:fs';
import path from 'node:path';
import type { SandboxMount } from '../exec/run-spec.js';
import { writeLocalFiles } from '../output/local-output.js';
import { ImageTree } from '../overlay/image-tree.js';
import { Overlay } from '../overlay/overlay.js';
import type { CacheMountLease } from '../store/cache-mounts.js';
import { O_DIRECTORY, O_PATH, RESOLVE_IN_ROOT } from '../sys/constants.js';
import { openat, openat2 } from '../sys/file.js';
import type { Cleanup } from '../util/cleanup.js';
import { hasCode, UserError } from '../util/errors.js';
import type { LayeredFiles } from './bind-source.js';
import type { RunningVertex } from './progress.js';
import type { Prepared } from './run-mounts.js';
import { cacheOwner } from './run-mounts.js';
import type { Session } from './session.js';
import { explainOwner } from './unmapped-owner.js';

/** What taking caches needs. */
export interface OpenCaches {
  readonly running: RunningVertex;
  /** Gives them back. */
  readonly cleanup: Cleanup;
}

/**
 * Takes the caches of a RUN, made where they are missing; waits for those that it must have alone.
 * In the order of their keys, so that no two RUNs wait for each other.
 */
export async function openCaches(
  session: Session,
  caches: readonly Prepared<'cache'>[],
  options: OpenCaches,
): Promise<SandboxMount[]> {
  const leases = new Map<string, CacheMountLease>();
  const mounts: SandboxMount[] = [];
  const nameOf = ({ key }: Prepared<'cache'>): string => JSON.stringify([key.id, key.base]);
  const sorted = caches.toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
  for (const cache of sorted) {
    const name = nameOf(cache);
    const lease = leases.get(name) ?? (await acquire(session, cache, options));
    leases.set(name, lease);
    const { readOnly, source } = cache.mount;
    const inside = cache.files === undefined ? source : '';
    assertIsThere(lease.dir, inside, cache.key.id);
    mounts.push({ kind: 'bind', target: cache.target, root: lease.dir, path: inside, readOnly });
  }
  return mounts;
}

async function acquire(
  session: Session,
  cache: Prepared<'cache'>,
  { running, cleanup }: OpenCaches,
): Promise<CacheMountLease> {
  const { store, signal } = session;
  const lease = await store.cacheMounts.acquire({
    key: cache.key,
    sharing: cache.mount.sharing,
    signal,
    onWait: (what) => running.output('stderr', Buffer.from(`Waiting: ${what}\n`)),
    fill: async (dir) => {
      await explainOwner(`cache "${cache.key.id}"`, () => fill(session, cache, dir));
    },
  });
  return cleanup.use(lease);
}

/** Gives a new cache what it begins with: imported files, those of `from`, or an owner alone. */
async function fill(
  session: Session,
  { files, mount, key }: Prepared<'cache'>,
  dir: string,
): Promise<void> {
  const { cacheTransfer, signal } = session;
  if (await cacheTransfer.fill(key, dir, signal)) return;
  if (files?.kind === 'file') {
    const message = `Cannot begin a cache with "${mount.source}": it is a file`;
    throw new UserError('TSB_BUILD', message, { hint: 'Name the directory that it is in' });
  }
  if (files !== undefined) await writeFiles(session, await files.layered(), dir);
  const { mode, uid, gid } = cacheOwner(mount);
  const isGiven = Object.values(mount.owner).some((value) => value !== undefined);
  if (files !== undefined && !isGiven) return;
  chownSync(dir, uid ?? 0, gid ?? 0);
  chmodSync(dir, mode ?? 0);
}

async function writeFiles(
  { store, signal }: Session,
  { layers, path: place }: LayeredFiles,
  dir: string,
): Promise<void> {
  using overlay = Overlay.open({
    lowers: layers.map((id) => ({ kind: 'indexed', id })),
    layerDirOf: (id) => store.layers.dirOf(id),
    upperdir: undefined,
  });
  await writeLocalFiles(new ImageTree(overlay), dir, { privileged: true, signal });
  if (place === '') return;
  // Its name is a digest: nothing else is called so.
  const whole = `${dir}-whole`;
  renameSync(dir, whole);
  renameSync(path.join(whole, place), dir);
  rmdirSync(whole);
}

/** UserError for a directory that a cache lacks; its links are followed inside it. */
function assertIsThere(dir: string, source: string, id: string): void {
  if (source === '') return;
  try {
    using root = openat(undefined, dir, O_PATH | O_DIRECTORY);
    openat2(root, source, { flags: O_PATH | O_DIRECTORY, resolve: RESOLVE_IN_ROOT }).close();
  } catch (error) {
    if (!hasCode(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) throw error;
    throw new UserError('TSB_BUILD', `Cannot mount "${source}" of cache "${id}": no directory`, {
      hint: 'Make it in a RUN that mounts the whole cache',
      cause: error,
    });
  }
}
