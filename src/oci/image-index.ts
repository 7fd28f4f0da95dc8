import * as v from 'valibot';
import { UserError } from '../util/errors.js';
import type { Descriptor } from './descriptor.js';
import { annotationsSchema, descriptorSchema } from './descriptor.js';
import type { Schema } from './json.js';
import { parseJson, wireObject } from './json.js';
import { MEDIA_TYPE, isIndexMediaType, isManifestMediaType } from './media-types.js';
import type { Platform } from './platform.js';
import { findPlatformRank, formatPlatform, normalisePlatform } from './platform.js';

/** Several manifests, one per platform (image-spec, image-index.md). */
export interface ImageIndex {
  readonly schemaVersion: 2;
  readonly mediaType?: string;
  readonly manifests: readonly Descriptor[];
  readonly annotations?: Readonly<Record<string, string>>;
}

export const indexSchema: Schema<ImageIndex> = wireObject({
  schemaVersion: v.literal(2),
  mediaType: v.exactOptional(v.string()),
  manifests: v.array(descriptorSchema),
  annotations: v.exactOptional(annotationsSchema),
});

/** Parses the `index.json` of a layout; UserError TSB_IMAGE_INVALID. */
export function parseIndex(bytes: Uint8Array, what: string): ImageIndex {
  return parseJson(bytes, indexSchema, what);
}

/** An OCI index, its keys in the order of the specification. */
export function ociIndex(manifests: readonly Descriptor[]): ImageIndex {
  return { schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests };
}

/**
 * The entry for `platform`: the newest variant that runs there, the first of equals; an entry
 * without a platform only if it is the only one. UserError TSB_IMAGE_NOT_FOUND lists the
 * platforms that there are.
 */
export function chooseManifest(index: ImageIndex, platform: Platform, what: string): Descriptor {
  const images = index.manifests.filter(isImage);
  const [only] = images;
  if (images.length === 1 && only !== undefined && only.platform === undefined) return only;
  let best: { descriptor: Descriptor; rank: number } | undefined;
  for (const descriptor of images) {
    const rank = descriptor.platform && findPlatformRank(descriptor.platform, platform);
    if (rank !== undefined && (best === undefined || rank > best.rank)) best = { descriptor, rank };
  }
  if (best !== undefined) return best.descriptor;
  const wanted = formatPlatform(platform);
  const available = availablePlatforms(index);
  throw new UserError('TSB_IMAGE_NOT_FOUND', `Cannot find ${wanted} in ${what}`, {
    hint:
      available.length === 0
        ? 'the index names no platform'
        : `it has ${available.join(', ')}: choose with --platform`,
  });
}

/** The platforms that an index has images for, sorted. */
export function availablePlatforms(index: ImageIndex): string[] {
  const platforms = index.manifests
    .filter(isImage)
    .flatMap(({ platform }) => (platform ? [formatPlatform(normalisePlatform(platform))] : []));
  return [...new Set(platforms)].sort();
}

/** Attestations are entries of platform unknown/unknown. */
function isImage({ mediaType, platform }: Descriptor): boolean {
  if (!isManifestMediaType(mediaType) && !isIndexMediaType(mediaType)) return false;
  return platform?.os !== 'unknown' && platform?.architecture !== 'unknown';
}
