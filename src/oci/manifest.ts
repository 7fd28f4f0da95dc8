import * as v from 'valibot';
import { UserError } from '../util/errors.js';
import type { ImageConfig } from './config.js';
import type { Descriptor } from './descriptor.js';
import { annotationsSchema, descriptorSchema } from './descriptor.js';
import type { Digest } from './digest.js';
import type { ImageIndex } from './image-index.js';
import { indexSchema } from './image-index.js';
import type { Schema } from './json.js';
import { decodeJson, parseValue, wireObject } from './json.js';
import {
  MEDIA_TYPE,
  isConfigMediaType,
  isIndexMediaType,
  isManifestMediaType,
} from './media-types.js';

/** One image: its config and its layers, base first (image-spec, manifest.md). */
export interface Manifest {
  readonly schemaVersion: 2;
  readonly mediaType?: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly annotations?: Readonly<Record<string, string>>;
  readonly artifactType?: string;
}

/** What a manifest URL, or an entry of an index, may lead to. */
export type ManifestOrIndex =
  | { readonly kind: 'manifest'; readonly mediaType: string; readonly manifest: Manifest }
  | { readonly kind: 'index'; readonly mediaType: string; readonly index: ImageIndex };

const manifestSchema: Schema<Manifest> = wireObject({
  schemaVersion: v.literal(2),
  mediaType: v.exactOptional(v.string()),
  config: descriptorSchema,
  layers: v.array(descriptorSchema),
  annotations: v.exactOptional(annotationsSchema),
  artifactType: v.exactOptional(v.string()),
});

/**
 * Parses a manifest or an index, OCI or docker schema 2. `mediaType`: what the transport or the
 * descriptor calls it, if it does; it must agree with the document. UserError
 * TSB_IMAGE_INVALID, or TSB_UNSUPPORTED for schema 1 and for artifacts that are no images.
 */
export function parseManifestOrIndex(
  bytes: Uint8Array,
  mediaType: string | undefined,
  what: string,
): ManifestOrIndex {
  const value = decodeJson(bytes, what);
  const found = mediaTypeOf(value, mediaType, what);
  if (isIndexMediaType(found)) {
    return { kind: 'index', mediaType: found, index: parseValue(value, indexSchema, what) };
  }
  const manifest = parseValue(value, manifestSchema, what);
  assertImage(manifest, what);
  return { kind: 'manifest', mediaType: found, manifest };
}

/** Parses a manifest that must not be an index; errors as {@link parseManifestOrIndex}. */
export function parseManifest(bytes: Uint8Array, what: string, mediaType?: string): Manifest {
  const parsed = parseManifestOrIndex(bytes, mediaType, what);
  if (parsed.kind === 'manifest') return parsed.manifest;
  throw new UserError('TSB_IMAGE_INVALID', `Cannot parse ${what}: found an index, want a manifest`);
}

/** An OCI manifest, its keys in the order of the specification. */
export function ociManifest(
  config: Descriptor,
  layers: readonly Descriptor[],
  annotations?: Readonly<Record<string, string>>,
): Manifest {
  const mediaType = MEDIA_TYPE.ociManifest;
  return { schemaVersion: 2, mediaType, config, layers, ...(annotations && { annotations }) };
}

/** A layer of an image: its stored blob, and the digest of its uncompressed tar. */
export interface ImageLayer {
  readonly descriptor: Descriptor;
  readonly diffId: Digest;
}

/** Pairs a manifest's layers with the config's diffIds; UserError if their counts differ. */
export function imageLayers(manifest: Manifest, config: ImageConfig, what: string): ImageLayer[] {
  const diffIds = config.rootfs.diff_ids;
  if (diffIds.length !== manifest.layers.length) {
    const found = `${manifest.layers.length} layers in the manifest, ${diffIds.length} diff_ids in the config`;
    throw new UserError('TSB_IMAGE_INVALID', `Cannot use ${what}: ${found}`);
  }
  return manifest.layers.flatMap((descriptor, index) => {
    const diffId = diffIds[index];
    return diffId === undefined ? [] : [{ descriptor, diffId }];
  });
}

/**
 * Decides what a document is. One that could be read both ways is refused: two readers must
 * never see two images under one digest (CVE-2021-41190).
 */
function mediaTypeOf(value: unknown, given: string | undefined, what: string): string {
  const refuse = (found: string, want: string): UserError =>
    new UserError('TSB_IMAGE_INVALID', `Cannot parse ${what}: found ${found}, want ${want}`);
  if (Array.isArray(value)) throw refuse('a list', 'an object');
  if (typeof value !== 'object' || value === null) throw refuse(typeof value, 'an object');
  const document = value as Record<string, unknown>;
  if (document.schemaVersion === 1) {
    throw new UserError(
      'TSB_UNSUPPORTED',
      `Cannot use ${what}: docker schema 1, want schema 2 or OCI`,
      {
        hint: 'push the image again with a current tool',
      },
    );
  }
  const isIndex = 'manifests' in document;
  if (isIndex && ('layers' in document || 'config' in document)) {
    throw refuse('both "manifests" and "layers" or "config"', 'a manifest or an index');
  }
  const inside = document.mediaType ?? undefined;
  if (inside !== undefined && typeof inside !== 'string') throw refuse('no text', 'a media type');
  const outside = given !== undefined && isKnown(given) ? given : undefined;
  if (inside !== undefined && outside !== undefined && inside !== outside) {
    throw refuse(`media type ${inside}`, outside);
  }
  const guess = isIndex ? MEDIA_TYPE.ociIndex : MEDIA_TYPE.ociManifest;
  const mediaType = inside ?? outside ?? guess;
  if (!isKnown(mediaType)) {
    throw new UserError(
      'TSB_UNSUPPORTED',
      `Cannot use ${what}: media type ${mediaType}, want an image`,
    );
  }
  if (isIndexMediaType(mediaType) !== isIndex)
    throw refuse(isIndex ? 'an index' : 'no "manifests"', mediaType);
  return mediaType;
}

function isKnown(mediaType: string): boolean {
  return isManifestMediaType(mediaType) || isIndexMediaType(mediaType);
}

function assertImage(manifest: Manifest, what: string): void {
  if (isConfigMediaType(manifest.config.mediaType)) return;
  const kind = manifest.artifactType ?? manifest.config.mediaType;
  throw new UserError(
    'TSB_UNSUPPORTED',
    `Cannot use ${what}: an artifact of ${kind}, want an image`,
  );
}
