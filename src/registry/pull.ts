import type { Descriptor } from '../oci/descriptor.js';
import type { Digest } from '../oci/digest.js';
import type { ImageLayer } from '../oci/manifest.js';
import { imageLayers } from '../oci/manifest.js';
import type { Platform } from '../oci/platform.js';
import type { Reference } from '../oci/reference.js';
import { forEachParallel } from '../util/parallel.js';
import { quote } from './api.js';
import type { RegistryClient, ResolvedImage } from './client.js';
import { PULL_PARALLEL } from './limits.js';

/** Where pulled blobs go. */
export interface BlobSink {
  has(digest: Digest): boolean | Promise<boolean>;
  /** Reads `stream` to its end, and keeps the blob only if that did not throw. */
  write(descriptor: Descriptor, stream: AsyncIterable<Buffer>): Promise<void>;
}

/** How far a transfer is. */
export interface TransferProgress {
  readonly descriptor: Descriptor;
  /** Bytes that have been transferred, of `descriptor.size`. */
  readonly bytes: number;
  /** `reused`: nothing had to be transferred. */
  readonly state: 'running' | 'done' | 'reused';
}

export interface PullOptions {
  readonly platform: Platform;
  readonly sink: BlobSink;
  readonly signal?: AbortSignal | undefined;
  /** Whether a layer's blob is needed, if the sink lacks it; absent: all are. */
  readonly needs?: (layer: ImageLayer) => boolean | Promise<boolean>;
  readonly onProgress?: (progress: TransferProgress) => void;
  /** Downloads at once. */
  readonly parallel?: number;
}

/**
 * Brings an image's manifest, config and layers into `sink`, the manifest last: a sink that has
 * it has the image. The first failure stops the other downloads.
 */
export async function pullImage(
  client: RegistryClient,
  reference: Reference,
  { platform, sink, signal, needs, onProgress, parallel = PULL_PARALLEL }: PullOptions,
): Promise<ResolvedImage> {
  const image = await client.resolve(reference, { platform, signal });
  const layers = imageLayers(image.manifest, image.config, quote(reference));
  // One blob may be several layers of an image.
  const distinct = [...new Map(layers.map((layer) => [layer.descriptor.digest, layer])).values()];
  await forEachParallel(distinct, { limit: parallel, signal }, async (layer, either) => {
    const { descriptor } = layer;
    if ((await sink.has(descriptor.digest)) || (needs !== undefined && !(await needs(layer)))) {
      onProgress?.({ descriptor, bytes: 0, state: 'reused' });
      return;
    }
    const blob = await client.openBlob(image.reference, descriptor, either);
    await sink.write(descriptor, counted(blob, descriptor, onProgress));
    onProgress?.({ descriptor, bytes: descriptor.size, state: 'done' });
  });
  await writeBytes(sink, image.manifest.config, image.configBytes);
  await writeBytes(sink, image.descriptor, image.manifestBytes);
  return image;
}

/** Passes a stream on, telling how much of it has passed. */
export async function* counted<T extends Uint8Array>(
  stream: AsyncIterable<T>,
  descriptor: Descriptor,
  onProgress: ((progress: TransferProgress) => void) | undefined,
): AsyncGenerator<T, void, undefined> {
  let bytes = 0;
  for await (const chunk of stream) {
    bytes += chunk.length;
    onProgress?.({ descriptor, bytes, state: 'running' });
    yield chunk;
  }
}

async function writeBytes(sink: BlobSink, descriptor: Descriptor, bytes: Buffer): Promise<void> {
  if (await sink.has(descriptor.digest)) return;
  await sink.write(descriptor, single(bytes));
}

async function* single(bytes: Buffer): AsyncGenerator<Buffer, void, undefined> {
  await Promise.resolve();
  yield bytes;
}
