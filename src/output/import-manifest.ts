import { configPlatform, parseConfig } from '../oci/config.js';
import type { Descriptor } from '../oci/descriptor.js';
import { chooseManifest } from '../oci/image-index.js';
import { imageLayers, parseManifestOrIndex, type Manifest } from '../oci/manifest.js';
import { layerCompression } from '../oci/media-types.js';
import { formatPlatform, platformMatches, type Platform } from '../oci/platform.js';
import { DOCUMENT_BYTES_MAX } from '../store/blobs.js';
import type { ImageRecord } from '../store/images.js';
import type { Store } from '../store/store.js';
import { UserError } from '../util/errors.js';

/** How to take an image in. */
export interface ImportOptions {
  readonly platform: Platform;
  readonly signal?: AbortSignal;
  /** Bytes stored so far. */
  readonly onProgress?: (bytes: number) => void;
}

/** Brings a blob into the store, verified, unless it is there. */
export type FetchBlob = (descriptor: Descriptor) => Promise<void>;

/** Indexes may lead to indexes; nobody nests them deeper. */
const INDEX_DEPTH_MAX = 3;

async function readDocument(
  store: Store,
  descriptor: Descriptor,
  { fetch, what }: { fetch: FetchBlob; what: string },
): Promise<Buffer> {
  if (descriptor.size > DOCUMENT_BYTES_MAX) {
    const message = `Cannot read ${what}: ${descriptor.size} bytes, want at most ${DOCUMENT_BYTES_MAX}`;
    throw new UserError('TSB_LIMIT', message);
  }
  await fetch(descriptor);
  return await store.blobs.read(descriptor.digest);
}

/** Follows indexes to the manifest for the platform. */
async function findManifest(
  store: Store,
  entry: Descriptor,
  { fetch, what, platform }: { fetch: FetchBlob; what: string; platform: Platform },
): Promise<{ descriptor: Descriptor; manifest: Manifest }> {
  let descriptor = entry;
  for (let depth = 0; depth <= INDEX_DEPTH_MAX; depth++) {
    const bytes = await readDocument(store, descriptor, { fetch, what });
    const parsed = parseManifestOrIndex(bytes, descriptor.mediaType, what);
    if (parsed.kind === 'manifest') {
      const { mediaType } = parsed;
      return { descriptor: { ...descriptor, mediaType }, manifest: parsed.manifest };
    }
    descriptor = chooseManifest(parsed.index, platform, what);
  }
  throw new UserError('TSB_LIMIT', `Cannot read ${what}: indexes within indexes`);
}

function assertPlatform(found: Platform, want: Platform, what: string): void {
  if (platformMatches(found, want)) return;
  throw new UserError(
    'TSB_IMAGE_NOT_FOUND',
    `Cannot use ${what}: it is for ${formatPlatform(found)}, want ${formatPlatform(want)}`,
  );
}

/**
 * Takes the image that `entry` leads to into the store: its documents, checked, then its layers'
 * blobs. The record is not under any reference yet.
 */
export async function importManifest(
  store: Store,
  entry: Descriptor,
  { fetch, what, platform }: ImportOptions & { fetch: FetchBlob; what: string },
): Promise<ImageRecord> {
  const { descriptor, manifest } = await findManifest(store, entry, { fetch, what, platform });
  const bytes = await readDocument(store, manifest.config, { fetch, what: `config of ${what}` });
  const config = parseConfig(bytes, `config of ${what}`);
  const found = configPlatform(config);
  assertPlatform(found, platform, what);
  const layers = imageLayers(manifest, config, what);
  for (const layer of layers) layerCompression(layer.descriptor.mediaType);
  for (const layer of layers) {
    const there = store.blobs.findSize(layer.descriptor.digest) === layer.descriptor.size;
    if (!there) await fetch(layer.descriptor);
  }
  const { mediaType, digest, size } = descriptor;
  return {
    manifest: { mediaType, digest, size },
    platform: found,
    created: new Date().toISOString(),
  };
}
