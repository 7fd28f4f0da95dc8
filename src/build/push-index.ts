import type { Reference } from '../oci/reference.js';
import type { ExportedIndex } from '../output/index-output.js';
import type { RegistryClient } from '../registry/client.js';
import { pushImage } from '../registry/push.js';
import { imageToPush } from './push-image.js';

/** Pushes the images of an index by their digests, then the index under `reference`. */
export async function pushIndex(
  client: RegistryClient,
  reference: Reference,
  { index, signal }: { index: ExportedIndex; signal: AbortSignal },
): Promise<void> {
  const { tag: _, ...untagged } = reference;
  for (const image of index.images) {
    const to = { ...untagged, digest: image.manifest.digest };
    await pushImage(client, to, imageToPush(image), { signal });
  }
  await client.pushManifest(reference, index.bytes, index.descriptor.mediaType, signal);
}
