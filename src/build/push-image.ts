import type { Digest } from '../oci/digest.js';
import type { Reference } from '../oci/reference.js';
import { exportImage } from '../output/export-image.js';
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
  const { config, layers, manifest, manifestBytes } = exported;
  const openers = new Map([config, ...layers].map((blob) => [blob.descriptor.digest, blob.open]));
  const transfers = new TransferVertices(progress, { verb: 'upload', parent });
  try {
    return await pushImage(
      await registry(),
      reference,
      {
        manifestBytes,
        mediaType: manifest.mediaType,
        blobs: [...layers, config].map(({ descriptor }) => descriptor),
        open: ({ digest }) => {
          const open = openers.get(digest);
          assert(open !== undefined, 'only blobs of the image are pushed');
          return open();
        },
      },
      { signal, onProgress: (each) => transfers.update(each) },
    );
  } finally {
    transfers.end();
  }
}
