import type { LayerId } from '../layer/types.js';
import { chainIds } from '../oci/chain-id.js';
import type { ImageLayer } from '../oci/manifest.js';
import { shortDigest, type Digest } from '../oci/digest.js';
import { LowerLinkError, type FindLower } from '../tar/layer-tree.js';
import { unpackLayer } from '../tar/unpack.js';
import { UserError } from '../util/errors.js';
import { Limit } from '../util/limit.js';
import type { WaitOptions } from './lock.js';
import type { Store } from './store.js';

/** Layers that are unpacked at the same time: inflating has threads of its own. */
const LAYERS_AT_ONCE = 3;

/** How to unpack the layers of an image. */
export interface UnpackLayersOptions extends WaitOptions {
  /** Uncompressed bytes so far of a layer that is not there yet. */
  readonly onProgress?: (diffId: Digest, bytes: number) => void;
}

/** A layer, and the stack that it is the top of. */
interface StackedLayer extends ImageLayer {
  readonly chainId: Digest;
}

/**
 * The layer directories of an image, base first; undefined: not unpacked. A layer is found by its
 * diffId, or by its chainId if it has hard links to files of the layers below.
 */
export function findLayers(
  store: Store,
  layers: readonly Pick<ImageLayer, 'diffId'>[],
): (LayerId | undefined)[] {
  const chain = chainIds(layers.map(({ diffId }) => diffId));
  return layers.map(({ diffId }, index) => findLayer(store, diffId, chain[index] ?? diffId));
}

function findLayer(store: Store, diffId: Digest, chainId: Digest): LayerId | undefined {
  return store.layers.findByDiffId(diffId) ?? store.layers.findByDiffId(chainId);
}

/**
 * The layer directories of an image, base first: those that the store lacks are unpacked from
 * its blobs, several at once, each once among all processes. When one fails, the others are
 * stopped.
 */
export async function ensureLayers(
  store: Store,
  layers: readonly ImageLayer[],
  options: UnpackLayersOptions = {},
): Promise<LayerId[]> {
  const stop = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, stop.signal]) : stop.signal;
  const chain = chainIds(layers.map(({ diffId }) => diffId));
  const limit = new Limit(LAYERS_AT_ONCE);
  const made: Promise<LayerId>[] = [];
  for (const [index, layer] of layers.entries()) {
    const stacked = { ...layer, chainId: chain[index] ?? layer.diffId };
    // The layers below have started: they never wait for room that this one takes.
    const below = async (): Promise<LayerId[]> => await Promise.all(made.slice(0, index));
    const work = async (): Promise<LayerId> => {
      signal.throwIfAborted();
      return await ensureOne(store, stacked, below, { ...options, signal });
    };
    const one = limit.run(work);
    one.catch((error: unknown) => stop.abort(error));
    made.push(one);
  }
  const results = await Promise.allSettled(made);
  const failed = results.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw options.signal?.aborted ? failed.reason : stop.signal.reason;
  return await Promise.all(made);
}

async function ensureOne(
  store: Store,
  layer: StackedLayer,
  below: () => Promise<LayerId[]>,
  options: UnpackLayersOptions,
): Promise<LayerId> {
  const there = findLayer(store, layer.diffId, layer.chainId);
  if (there !== undefined) return there;
  try {
    return await unpackOne(store, layer, layer.diffId, options);
  } catch (error) {
    if (!(error instanceof LowerLinkError) || layer.chainId === layer.diffId) throw error;
  }
  // What it is depends on the layers below: nobody may find it by its diffId.
  const ids = await below();
  const { openLowerFiles } = await import('./lower-files.js');
  using lower = openLowerFiles(store.layers, ids);
  return await unpackOne(store, layer, layer.chainId, { ...options, findLower: lower.find });
}

async function unpackOne(
  store: Store,
  { descriptor, diffId }: ImageLayer,
  key: Digest,
  options: UnpackLayersOptions & { readonly findLower?: FindLower },
): Promise<LayerId> {
  const { signal, onProgress, findLower } = options;
  return await store.layers.ensure(
    key,
    async (writer) => {
      if (!store.blobs.has(descriptor.digest)) {
        throw new UserError(
          'TSB_STORE',
          `Cannot unpack layer ${shortDigest(diffId)}: neither its files nor its blob are in the store`,
          { hint: 'pull or build the image again' },
        );
      }
      return await unpackLayer(store.blobs.open(descriptor.digest), {
        writer,
        expect: diffId,
        ...(findLower && { findLower }),
        ...(signal && { signal }),
        ...(onProgress && { onProgress: (bytes) => onProgress(diffId, bytes) }),
      });
    },
    options,
  );
}
