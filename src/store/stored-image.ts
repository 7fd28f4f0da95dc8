import { parseConfig, type ImageConfig } from '../oci/config.js';
import { imageLayers, parseManifest, type ImageLayer, type Manifest } from '../oci/manifest.js';
import type { BlobStore } from './blobs.js';
import type { ImageRecord } from './images.js';

/** An image of the store, its documents read and checked. */
export interface StoredImage {
  readonly record: ImageRecord;
  readonly manifest: Manifest;
  readonly manifestBytes: Buffer;
  readonly config: ImageConfig;
  readonly configBytes: Buffer;
  /** Base first. */
  readonly layers: readonly ImageLayer[];
}

/** Reads the documents of an image; TSB_STORE, TSB_DIGEST_MISMATCH, TSB_IMAGE_INVALID. */
export async function loadImage(blobs: BlobStore, record: ImageRecord): Promise<StoredImage> {
  const { digest, mediaType } = record.manifest;
  const what = `image ${digest}`;
  const manifestBytes = await blobs.read(digest);
  const manifest = parseManifest(manifestBytes, what, mediaType);
  const configBytes = await blobs.read(manifest.config.digest);
  const config = parseConfig(configBytes, `config of ${what}`);
  const layers = imageLayers(manifest, config, what);
  return { record, manifest, manifestBytes, config, configBytes, layers };
}
