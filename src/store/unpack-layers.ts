import type { LayerId } from '../layer/types.js';
import type { ImageLayer } from '../oci/manifest.js';
import { shortDigest, type Digest } from '../oci/digest.js';
import { unpackLayer } from '../tar/unpack.js';
import { UserError } from '../util/errors.js';
import type { WaitOptions } from './lock.js';
import type { Store } from './store.js';

/** Layers that are unpacked at the same time: inflating has threads of its own. */
const LAYERS_AT_ONCE = 3;

/** How to unpack the layers of an image. */
export interface UnpackLayersOptions extends WaitOptions {
  /** Uncompressed bytes so far of a layer that is not there yet. */
  readonly onProgress?: (diffId: Digest, bytes: number) => void;
}

/**
 * The layer directories of an image, base first: those that the store lacks are unpacked from
 * its blobs, several at once, each once per diffId among all processes. When one fails, the
 * others are stopped.
 */
export async function ensureLayers(
  store: Store,
  layers: readonly ImageLayer[],
  options: UnpackLayersOptions = {},
): Promise<LayerId[]> {
  const stop = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, stop.signal]) : stop.signal;
  const ids: LayerId[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    for (let index = next++; index < layers.length; index = next++) {
      const layer = layers[index];
      if (layer !== undefined) ids[index] = await ensureOne(store, layer, { ...options, signal });
    }
  };
  const workers = Array.from({ length: LAYERS_AT_ONCE }, async () => {
    try {
      await work();
    } catch (error) {
      stop.abort(error);
      throw error;
    }
  });
  const results = await Promise.allSettled(workers);
  const failed = results.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw options.signal?.aborted ? failed.reason : stop.signal.reason;
  return ids;
}

async function ensureOne(
  store: Store,
  { descriptor, diffId }: ImageLayer,
  options: UnpackLayersOptions,
): Promise<LayerId> {
  const { signal, onProgress } = options;
  return await store.layers.ensure(
    diffId,
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
        ...(signal && { signal }),
        ...(onProgress && { onProgress: (bytes) => onProgress(diffId, bytes) }),
      });
    },
    options,
  );
}
