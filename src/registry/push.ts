import type { Descriptor } from '../oci/descriptor.js';
import type { Digest } from '../oci/digest.js';
import type { Reference } from '../oci/reference.js';
import { forEachParallel } from '../util/parallel.js';
import type { RegistryClient } from './client.js';
import { PUSH_PARALLEL } from './limits.js';
import type { TransferProgress } from './pull.js';
import { counted } from './pull.js';

/** An image that is ready to be pushed. */
export interface PushableImage {
  readonly manifestBytes: Buffer;
  readonly mediaType: string;
  /** The config's and the layers' descriptors, as the manifest has them. */
  readonly blobs: readonly Descriptor[];
  /** A blob's bytes, from the beginning at each call. */
  readonly open: (descriptor: Descriptor) => AsyncIterable<Uint8Array>;
}

export interface PushOptions {
  readonly signal?: AbortSignal | undefined;
  /** A repository of the same registry that may have the blob, like that of the base image. */
  readonly mountFrom?: (descriptor: Descriptor) => Reference | undefined;
  readonly onProgress?: (progress: TransferProgress) => void;
  /** Uploads at once. */
  readonly parallel?: number;
  /** Upload blobs in pieces of this size. */
  readonly chunkBytes?: number | undefined;
}

/**
 * Pushes the blobs that the repository lacks, then the manifest: a registry that has it has the
 * image. Returns the manifest's digest. The first failure stops the other uploads.
 */
export async function pushImage(
  client: RegistryClient,
  reference: Reference,
  image: PushableImage,
  options: PushOptions = {},
): Promise<Digest> {
  const { signal, mountFrom, onProgress, parallel = PUSH_PARALLEL, chunkBytes } = options;
  const distinct = [...new Map(image.blobs.map((blob) => [blob.digest, blob])).values()];
  await forEachParallel(distinct, { limit: parallel, signal }, async (descriptor, either) => {
    const open = (): AsyncIterable<Uint8Array> =>
      counted(image.open(descriptor), descriptor, onProgress);
    const from = mountFrom?.(descriptor);
    const outcome = await client.pushBlob(reference, descriptor, open, {
      mountFrom: from,
      chunkBytes,
      signal: either,
    });
    const isSent = outcome === 'uploaded';
    const bytes = isSent ? descriptor.size : 0;
    onProgress?.({ descriptor, bytes, state: isSent ? 'done' : 'reused' });
  });
  return client.pushManifest(reference, image.manifestBytes, image.mediaType, signal);
}
