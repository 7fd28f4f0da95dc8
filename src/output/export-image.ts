import { describeBytes, type Descriptor } from '../oci/descriptor.js';
import { encodeJson } from '../oci/json.js';
import { ociManifest, type ImageLayer } from '../oci/manifest.js';
import { layerCompression, layerMediaType, MEDIA_TYPE } from '../oci/media-types.js';
import type { Store } from '../store/store.js';
import type { StoredImage } from '../store/stored-image.js';
import type { OutputCompression } from './output-spec.js';

/** How an image leaves the store. */
export interface ExportOptions {
  /** Of layers that were made here; pulled blobs are kept as they are. */
  readonly compression?: OutputCompression;
  readonly compressionLevel?: number;
  readonly signal?: AbortSignal;
  /** Told of every layer that is compressed now. */
  readonly onCompress?: (layer: Descriptor) => void;
}

/** A blob of an exported image. `open` streams it, verified to its end. */
export interface ExportedBlob {
  readonly descriptor: Descriptor;
  readonly open: () => AsyncIterable<Buffer>;
}

/** An image as others take it: every layer is a blob that can be stored. */
export interface ExportedImage {
  readonly manifest: Descriptor;
  readonly manifestBytes: Buffer;
  readonly config: ExportedBlob;
  /** Base first. */
  readonly layers: readonly ExportedBlob[];
}

async function exportLayer(
  store: Store,
  { descriptor, diffId }: ImageLayer,
  options: ExportOptions,
): Promise<Descriptor> {
  const { compression = 'gzip', compressionLevel, signal, onCompress } = options;
  const stored = store.blobs.has(descriptor.digest);
  if (stored || compression === 'uncompressed') return descriptor;
  onCompress?.(descriptor);
  const blob = await store.layerBlobs.gzip(diffId, {
    ...(compressionLevel !== undefined && { level: compressionLevel }),
    ...(signal && { signal }),
  });
  return { ...descriptor, mediaType: MEDIA_TYPE.ociLayerGzip, ...blob };
}

/** The layer with OCI's media type: an OCI manifest should have no docker ones. */
function asOci(descriptor: Descriptor): Descriptor {
  return { ...descriptor, mediaType: layerMediaType(layerCompression(descriptor.mediaType)) };
}

/** Ends a stream with the signal's reason. */
async function* abortable(
  stream: AsyncIterable<Buffer>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Buffer> {
  for await (const chunk of stream) {
    signal?.throwIfAborted();
    yield chunk;
  }
}

/**
 * Prepares an image for an archive or a push: layers that exist here as directories only are
 * compressed (once: the blob is kept), and the manifest is written anew where that changed it.
 */
export async function exportImage(
  store: Store,
  image: StoredImage,
  options: ExportOptions = {},
): Promise<ExportedImage> {
  const isOci = (image.manifest.mediaType ?? MEDIA_TYPE.ociManifest) === MEDIA_TYPE.ociManifest;
  const descriptors: Descriptor[] = [];
  for (const layer of image.layers) {
    options.signal?.throwIfAborted();
    const descriptor = await exportLayer(store, layer, options);
    descriptors.push(isOci ? asOci(descriptor) : descriptor);
  }
  const { config } = image.manifest;
  const layers = descriptors.map((descriptor) => ({
    descriptor,
    open: () => abortable(store.openLayerBlob(descriptor, options.signal), options.signal),
  }));
  const exported = { config: { descriptor: config, open: () => store.blobs.open(config.digest) } };
  const same = descriptors.every((descriptor, index) => {
    const before = image.manifest.layers[index];
    return before?.digest === descriptor.digest && before.mediaType === descriptor.mediaType;
  });
  if (same) {
    const { manifest } = image.record;
    return { ...exported, layers, manifest, manifestBytes: image.manifestBytes };
  }
  const { annotations } = image.record.manifest;
  const asOciConfig = { ...config, mediaType: MEDIA_TYPE.ociConfig };
  const bytes = encodeJson(
    ociManifest(asOciConfig, descriptors.map(asOci), image.manifest.annotations),
  );
  return {
    ...exported,
    layers,
    manifest: {
      ...describeBytes(MEDIA_TYPE.ociManifest, bytes),
      ...(annotations && { annotations }),
    },
    manifestBytes: bytes,
  };
}
