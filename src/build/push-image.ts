import type { Digest } from '../oci/digest.js';
import type { Reference } from '../oci/reference.js';
import { exportImage, type ExportedImage } from '../output/export-image.js';
import type { PushableImage } from '../registry/push.js';
import { assert } from '../util/assert.js';
import type { StoredImage } from '../store/stored-image.js';
import type { VertexId } from './events.js';
import type { TransferDeps } from './pull-image.js';
import { TransferVertices } from './pull-image.js';

/** How to push. */
export interface PushToRegistryOptions {
  readonly parent: VertexId | undefined;
}

/**
 * Pushes an image of the store under a reference. Layers that were made here are compressed once;
 * pulled blobs go as they came. Returns the digest of the manifest in the registry.
 */
export async function pushFromStore(
  { store, registry, progress, signal }: TransferDeps,
  { image, reference }: { image: StoredImage; reference: Reference },
  { parent }: PushToRegistryOptions,
): Promise<Digest> {
  const { pushImage } = await import('../registry/push.js');
  const exported = await exportImage(store, image, {
    signal,
    onCompress: ({ digest }) => progress.debug(`compressing layer ${digest}`),
  });
  const transfers = new TransferVertices(progress, { verb: 'upload', parent });
  try {
    return await pushImage(await registry(), reference, imageToPush(exported), {
      signal,
      onProgress: (each) => transfers.update(each),
    });
  } finally {
    transfers.end();
  }
}

/** An image as the registry's client takes it. */
export function imageToPush({
  config,
  layers,
  manifest,
  manifestBytes,
}: ExportedImage): PushableImage {
  const openers = new Map([config, ...layers].map((blob) => [blob.descriptor.digest, blob.open]));
  return {
    manifestBytes,
    mediaType: manifest.mediaType,
    blobs: [...layers, config].map(({ descriptor }) => descriptor),
    open: ({ digest }) => {
      const open = openers.get(digest);
      assert(open !== undefined, 'only blobs of the image are pushed');
      return open();
    },
  };
}
