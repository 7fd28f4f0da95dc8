import path from 'node:path';
import type { CacheKey, KeyParts } from '../../cache/key.js';
import { cacheKeyOf } from '../../cache/key.js';
import type { RecordStore } from '../../cache/records.js';
import type { LayerId } from '../../layer/types.js';
import type { TreeNode } from '../../overlay/image-tree.js';
import { ImageTree } from '../../overlay/image-tree.js';
import { Overlay } from '../../overlay/overlay.js';
import type { Store } from '../../store/store.js';
import { kindOfMode } from '../tree-nodes.js';

/** Makes a layer that has nothing below it, and knows the digest of every file. */
export async function makeLayer(
  store: Store,
  edit: (tree: ImageTree) => Promise<void>,
): Promise<LayerId> {
  using work = store.work.create();
  const upperdir = path.join(work.path, 'layer');
  using overlay = openLayers(store, [], upperdir);
  const tree = new ImageTree(overlay);
  await edit(tree);
  await digestFiles(tree, tree.root);
  await overlay.commitInThread();
  return store.layers.publish(upperdir);
}

/** The index keeps what is known by now: no later build has to read the files to compare them. */
async function digestFiles(tree: ImageTree, dir: TreeNode): Promise<void> {
  for (const [, node] of tree.children(dir)) {
    if (node.isDir) await digestFiles(tree, node);
    else if (kindOfMode(node.mode) === 'file') await tree.contentDigest(node);
  }
}

/** Opens layers, base first; the caller disposes of the overlay. */
export function openLayers(store: Store, layers: readonly LayerId[], upperdir?: string): Overlay {
  return Overlay.open({
    lowers: layers.map((id) => ({ kind: 'indexed' as const, id })),
    layerDirOf: (id) => store.layers.dirOf(id),
    upperdir,
  });
}

/** What is remembered of a source beside its layer. */
export type SourceFacts = Readonly<Record<string, string>>;

/** A source that was fetched, now or earlier. */
export interface SourceRecord {
  readonly layer: LayerId;
  readonly facts: SourceFacts;
}

/** The key of a source's record. */
export function sourceKey(kind: string, parts: KeyParts): CacheKey {
  return cacheKeyOf([['source', kind], ...parts]);
}

/** The record of a source whose layer is still in the store. */
export async function findSource(
  records: RecordStore,
  store: Store,
  key: CacheKey,
): Promise<SourceRecord | undefined> {
  const value = await records.get(key);
  if (typeof value !== 'object' || value === null) return undefined;
  if (!('layer' in value) || !('facts' in value)) return undefined;
  const { layer, facts } = value;
  if (typeof layer !== 'string' || typeof facts !== 'object' || facts === null) return undefined;
  if (!Object.values(facts).every((fact) => typeof fact === 'string')) return undefined;
  if (!/^[0-9a-f]{32}$/.test(layer) || !store.layers.has(layer as LayerId)) return undefined;
  return { layer: layer as LayerId, facts: facts as SourceFacts };
}

export async function putSource(
  records: RecordStore,
  key: CacheKey,
  record: SourceRecord,
): Promise<void> {
  await records.put(key, record);
}
