import type { Reference } from '../oci/reference.js';
import type { ExportedIndex } from '../output/index-output.js';
import type { RegistryClient } from '../registry/client.js';
import { pushImage } from '../registry/push.js';
import { assert } from '../util/assert.js';

/** Pushes the images of an index by their digests, then the index under `reference`. */
export async function pushIndex(
  client: RegistryClient,
  reference: Reference,
  { index, signal }: { index: ExportedIndex; signal: AbortSignal },
): Promise<void> {
  const { tag: _, ...untagged } = reference;
  for (const { config, layers, manifest, manifestBytes } of index.images) {
    const openers = new Map([config, ...layers].map((blob) => [blob.descriptor.digest, blob.open]));
    await pushImage(
      client,
      { ...untagged, digest: manifest.digest },
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
      { signal },
    );
  }
  await client.pushManifest(reference, index.bytes, index.descriptor.mediaType, signal);
}
