import path from 'node:path';
import { cacheKeyOf } from '../cache/key.js';
import { putStep } from '../cache/records.js';
import { LayerSet } from '../layer/layer-reader.js';
import { LayerWriter } from '../layer/layer-writer.js';
import { mergeLayers, type FindBelow } from '../layer/merge-layers.js';
import { readTree } from '../layer/read-tree.js';
import type { LayerId } from '../layer/types.js';
import { ImageTree, type TreeNode } from '../overlay/image-tree.js';
import type { ByteName } from '../util/byte-name.js';
import { openOverlay } from './image-access.js';
import type { SquashMode } from './options.js';
import type { Session } from './session.js';
import type { StageLayer, StageState } from './state.js';
import { findResult } from './step.js';

/** The history of the layer that took the place of the others. */
const CREATED_BY = 'SQUASH # tsbuild';

/**
 * The state with one layer in place of several. Its history keeps all entries, those of the
 * squashed layers as entries without one, and gets another for the layer. Nothing is copied: the
 * layer's index refers to where the contents lie.
 */
export async function squash(
  session: Session,
  state: StageState,
  mode: SquashMode,
): Promise<StageState> {
  const first = mode === 'all' ? 0 : state.layers.findIndex(({ descriptor }) => !descriptor);
  const squashed = first < 0 ? [] : state.layers.slice(first);
  if (squashed.length <= 1) return state;
  const kept = state.layers.slice(0, first);
  const layer = await squashedLayer(session, { kept, squashed }, state);
  const { rootfs, history = [] } = state.image;
  const image =
    mode === 'new'
      ? state.image
      : {
          ...state.image,
          rootfs: { ...rootfs, diff_ids: [] },
          history: history.map((entry) => ({ ...entry, empty_layer: true })),
        };
  const steps = state.history.map((step) => ({ ...step, layer: undefined }));
  const created = state.history.findLast(({ createdMs }) => createdMs !== undefined)?.createdMs;
  const step = { createdBy: CREATED_BY, createdMs: created, layer };
  return { ...state, image, layers: [...kept, layer], history: [...steps, step] };
}

/** The layer, found in the cache or made. */
async function squashedLayer(
  session: Session,
  { kept, squashed }: { kept: readonly StageLayer[]; squashed: readonly StageLayer[] },
  state: StageState,
): Promise<StageLayer> {
  const [below, merged] = await Promise.all([kept, squashed].map((layers) => diffIdsOf(layers)));
  const key = cacheKeyOf([
    ['squash', merged],
    ['below', below],
  ]);
  const known = await findResult(session, key);
  if (known?.layer !== undefined) return known.layer;
  using overlay = openOverlay(session, { ...state, layers: kept });
  const id = publishMerged(session, squashed, findIn(new ImageTree(overlay)));
  const layer = session.packer.measure(id);
  const recorded = { layerId: id, ...(await layer.digest) };
  await putStep(session.records, key, { layer: recorded, createdMs: session.createdMs() });
  return layer;
}

async function diffIdsOf(layers: readonly StageLayer[]): Promise<string[]> {
  return await Promise.all(layers.map(async ({ digest }) => (await digest).diffId));
}

function publishMerged(
  { store }: Session,
  layers: readonly StageLayer[],
  findBelow: FindBelow,
): LayerId {
  using readers = new LayerSet((id) => store.layers.dirOf(id));
  const trees = layers.map(({ id }) => ({ id, root: readTree(readers.open(id).index) }));
  using work = store.work.create();
  const dir = path.join(work.path, 'layer');
  using writer = LayerWriter.create(dir);
  writer.finish(mergeLayers(trees, findBelow));
  return store.layers.publish(dir);
}

/** Looks names up one by one: no symbolic link is followed. */
function findIn(tree: ImageTree): FindBelow {
  return (name: ByteName) => {
    let node: TreeNode | undefined = tree.root;
    for (const part of name === '' ? [] : name.split('/')) {
      if (node?.isDir !== true) return undefined;
      node = tree.child(node, part as ByteName);
    }
    if (node === undefined) return undefined;
    return node.isDir ? 'dir' : 'other';
  };
}
