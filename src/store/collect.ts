import fs from 'node:fs';
import path from 'node:path';
import { LayerIndex } from '../layer/index-codec.js';
import type { LayerId } from '../layer/types.js';
import { chainIds } from '../oci/chain-id.js';
import type { Digest } from '../oci/digest.js';
import { messageOf, UserError } from '../util/errors.js';
import { TEMPORARY_PREFIX } from './atomic-file.js';
import type { StorePaths } from './paths.js';
import { loadImage } from './stored-image.js';
import type { Store } from './store.js';

const DAY_MS = 24 * 60 * 60 * 1000;
/** Cache records that were not used for so long are dropped. */
export const CACHE_AGE_MS_MAX: number = 14 * DAY_MS;
const BLOCK_BYTES = 512;

/** What to remove. */
export interface PruneOptions {
  /** Also what only the cache needs: records, the layers they name, compressed copies. */
  readonly all?: boolean;
  /** Also the caches of `RUN --mount=type=cache`; see {@link CacheMountStore.remove}. */
  readonly cacheMounts?: boolean;
  /** Removes nothing, reports the same. */
  readonly dryRun?: boolean;
  readonly cacheAgeMs?: number;
  /** Of now; for tests. */
  readonly nowMs?: number;
}

/** What was removed, or would be. */
export interface PruneReport {
  readonly layers: readonly LayerId[];
  readonly blobs: readonly Digest[];
  readonly cacheRecords: number;
  /** Cache mounts, if they were asked for. */
  readonly cacheMounts: readonly PrunedCacheMount[];
  /** As the disk counts. */
  readonly freedBytes: number;
  /** Images whose documents cannot be read: nothing of them was found to be kept. */
  readonly damaged: readonly string[];
}

/** A cache mount that was removed, or would be. */
export interface PrunedCacheMount {
  /** What is left of one whose id is not known: the name of its directory. */
  readonly id: string;
  readonly bytes: number;
}

interface Reachable {
  readonly blobs: Set<Digest>;
  readonly diffIds: Set<Digest>;
  readonly layers: Set<LayerId>;
  readonly damaged: string[];
}

async function markImages(store: Store, reachable: Reachable): Promise<void> {
  for (const { reference, record } of store.images.list()) {
    reachable.blobs.add(record.manifest.digest);
    try {
      const { manifest, layers } = await loadImage(store.blobs, record);
      reachable.blobs.add(manifest.config.digest);
      const diffIds = layers.map(({ diffId }) => diffId);
      // A layer may be recorded under either.
      for (const key of [...diffIds, ...chainIds(diffIds)]) reachable.diffIds.add(key);
      for (const { descriptor } of layers) reachable.blobs.add(descriptor.digest);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      reachable.damaged.push(`${reference}: ${messageOf(error)}`);
    }
  }
}

/** A record may name layers anywhere in its JSON: every id that is one keeps it. */
function layersNamed(text: string, layers: ReadonlySet<LayerId>): LayerId[] {
  return [...text.matchAll(/"([0-9a-f]{32})"/g)]
    .map(([, id]) => id as LayerId)
    .filter((id) => layers.has(id));
}

/** Layers that a layer's contents lie in; none if it is damaged: it is of no use then anyway. */
function dependencies(store: Store, id: LayerId): readonly LayerId[] {
  try {
    return LayerIndex.decode(fs.readFileSync(path.join(store.layers.dirOf(id), 'index'))).layers;
  } catch (error) {
    if (error instanceof UserError) return [];
    throw error;
  }
}

function markDependencies(
  store: Store,
  layers: Set<LayerId>,
  existing: ReadonlySet<LayerId>,
): void {
  const waiting = [...layers];
  for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
    if (!existing.has(id)) continue;
    for (const needed of dependencies(store, id)) {
      if (layers.has(needed)) continue;
      layers.add(needed);
      waiting.push(needed);
    }
  }
}

/** Bytes on disk of a file or a directory with all that is in it. */
function diskBytes(file: string): number {
  const stat = fs.lstatSync(file, { throwIfNoEntry: false });
  if (stat === undefined) return 0;
  const own = stat.blocks * BLOCK_BYTES;
  if (!stat.isDirectory()) return own;
  return fs.readdirSync(file).reduce((sum, name) => sum + diskBytes(path.join(file, name)), own);
}

/** Marks the records' diffIds, and the compressed copies that are kept. */
function markDiffIds(store: Store, reachable: Reachable, all: boolean): Digest[] {
  const unused: Digest[] = [];
  for (const diffId of store.layers.listDiffIds()) {
    const record = store.layers.findRecord(diffId);
    if (record === undefined || !reachable.layers.has(record.layer)) {
      unused.push(diffId);
      continue;
    }
    if (all || !reachable.diffIds.has(diffId)) continue;
    for (const { digest } of Object.values(record.gzip ?? {})) reachable.blobs.add(digest);
  }
  return unused;
}

/** Removes what was left by processes that died: temporary files, and locks nobody can hold. */
function removeLeftovers(paths: StorePaths): void {
  const { root, blobs, diffids, images, cache, locks } = paths;
  for (const dir of [root, blobs, diffids, images, cache]) {
    for (const name of fs.readdirSync(dir)) {
      if (name.startsWith(TEMPORARY_PREFIX)) fs.rmSync(path.join(dir, name), { force: true });
    }
  }
  for (const name of fs.readdirSync(locks)) {
    if (name.startsWith('diffid-')) fs.rmSync(path.join(locks, name), { force: true });
  }
}

/** Removes the cache mounts that were not used for so long (undefined: all), and leftovers. */
function collectCacheMounts(
  store: Store,
  { cacheMounts = false, dryRun = false, cacheAgeMs, nowMs = Date.now() }: PruneOptions,
): PrunedCacheMount[] {
  if (!cacheMounts) return [];
  const old = store.cacheMounts
    .list()
    .filter(({ usedMs }) => cacheAgeMs === undefined || usedMs < nowMs - cacheAgeMs);
  const leftovers = store.cacheMounts.listLeftovers().map((home) => {
    const bytes = diskBytes(home);
    if (!dryRun) fs.rmSync(home, { recursive: true, force: true });
    return { id: path.basename(home), bytes };
  });
  const removed = old.map(({ key, dirs }) => {
    const bytes = dirs.reduce((sum, dir) => sum + diskBytes(dir), 0);
    if (!dryRun) store.cacheMounts.remove(key);
    return { id: key.id, bytes };
  });
  return [...removed, ...leftovers];
}

/**
 * Removes what neither an image nor a cache record needs. INVARIANT: the caller holds the store's
 * lock exclusively, so that nobody is about to refer to what is removed.
 */
export async function collect(
  store: Store,
  paths: StorePaths,
  options: PruneOptions,
): Promise<PruneReport> {
  const {
    all = false,
    dryRun = false,
    cacheAgeMs = CACHE_AGE_MS_MAX,
    nowMs = Date.now(),
  } = options;
  const existing = new Set(store.layers.list());
  const reachable: Reachable = {
    blobs: new Set(),
    diffIds: new Set(),
    layers: new Set(),
    damaged: [],
  };
  await markImages(store, reachable);
  for (const diffId of reachable.diffIds) {
    const id = store.layers.findByDiffId(diffId);
    if (id !== undefined) reachable.layers.add(id);
  }
  const records = store.cacheRecords.list();
  const oldRecords = records.filter(({ usedMs }) => all || usedMs < nowMs - cacheAgeMs);
  const old = new Set(oldRecords.map(({ key }) => key));
  for (const { key, text } of records) {
    if (old.has(key)) continue;
    for (const id of layersNamed(text, existing)) reachable.layers.add(id);
  }
  markDependencies(store, reachable.layers, existing);
  const unusedDiffIds = markDiffIds(store, reachable, all);
  const layers = [...existing].filter((id) => !reachable.layers.has(id));
  const blobs = store.blobs.list().filter((digest) => !reachable.blobs.has(digest));
  const cacheMounts = collectCacheMounts(store, options);
  const freedBytes = [
    ...layers.map((id) => store.layers.dirOf(id)),
    ...blobs.map((digest) => store.blobs.path(digest)),
    ...oldRecords.map(({ key }) => path.join(paths.cache, key)),
  ].reduce(
    (sum, file) => sum + diskBytes(file),
    cacheMounts.reduce((sum, { bytes }) => sum + bytes, 0),
  );
  if (!dryRun) {
    for (const { key } of oldRecords) store.cacheRecords.remove(key);
    for (const diffId of unusedDiffIds) store.layers.removeDiffId(diffId);
    for (const id of layers) store.layers.remove(id);
    for (const digest of blobs) store.blobs.remove(digest);
    removeLeftovers(paths);
  }
  const { damaged } = reachable;
  return { layers, blobs, cacheRecords: oldRecords.length, cacheMounts, freedBytes, damaged };
}
