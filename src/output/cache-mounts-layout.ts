/*
 * Cache mounts as an OCI image layout (image-spec 1.1): one manifest of an artifact type of its
 * own, with a layer for each cache, gzip-compressed, whose annotations say which cache it is.
 */
import * as v from 'valibot';
import type { Descriptor } from '../oci/descriptor.js';
import { descriptorSchema } from '../oci/descriptor.js';
import { wireObject } from '../oci/json.js';
import type { Schema } from '../oci/json.js';
import { MEDIA_TYPE } from '../oci/media-types.js';
import type { CacheMountKey } from '../store/cache-mounts.js';
import { S_IFBLK, S_IFCHR, S_IFMT } from '../sys/constants.js';

/** The artifact type of the manifest. */
export const CACHE_MOUNTS_TYPE = 'application/vnd.tsbuild.cache-mounts.v1';
/** Of the manifest's config, which is `{}`: image-spec 1.1, manifest.md, "empty descriptor". */
export const EMPTY_TYPE = 'application/vnd.oci.empty.v1+json';
const ID = 'tsbuild.cache-mount.id';
const BASE = 'tsbuild.cache-mount.base';

/** The manifest of exported caches. */
export interface CacheMountsManifest {
  readonly schemaVersion: 2;
  readonly mediaType: string;
  readonly artifactType: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

export const cacheMountsSchema: Schema<CacheMountsManifest> = wireObject({
  schemaVersion: v.literal(2),
  mediaType: v.string(),
  artifactType: v.literal(CACHE_MOUNTS_TYPE),
  config: descriptorSchema,
  layers: v.array(descriptorSchema),
});

/** The manifest of these layers. */
export function cacheMountsManifest(
  config: Descriptor,
  layers: readonly Descriptor[],
): CacheMountsManifest {
  const mediaType = MEDIA_TYPE.ociManifest;
  return { schemaVersion: 2, mediaType, artifactType: CACHE_MOUNTS_TYPE, config, layers };
}

/** The annotations of a cache's layer. */
export function annotationsOf({ id, base }: CacheMountKey): Record<string, string> {
  return base === '' ? { [ID]: id } : { [ID]: id, [BASE]: base };
}

/** Which cache a layer is; undefined: its annotations do not say. */
export function keyOf({ annotations }: Descriptor): CacheMountKey | undefined {
  const id = annotations?.[ID];
  return id === undefined ? undefined : { id, base: annotations?.[BASE] ?? '' };
}

/** Whether a mode is a device's: no cache has any. */
export function isDevice(mode: number): boolean {
  const type = mode & S_IFMT;
  return type === S_IFCHR || type === S_IFBLK;
}
