import { UserError } from '../util/errors.js';

/** The media types of OCI image-spec 1.1 (media-types.md) and docker's schema 2. */
export const MEDIA_TYPE = {
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  ociConfig: 'application/vnd.oci.image.config.v1+json',
  ociEmpty: 'application/vnd.oci.empty.v1+json',
  ociLayer: 'application/vnd.oci.image.layer.v1.tar',
  ociLayerGzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  ociLayerZstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerIndex: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerConfig: 'application/vnd.docker.container.image.v1+json',
  dockerLayer: 'application/vnd.docker.image.rootfs.diff.tar',
  dockerLayerGzip: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
  dockerLayerZstd: 'application/vnd.docker.image.rootfs.diff.tar.zstd',
} as const;

/** How a layer's tar is compressed. */
export type Compression = 'none' | 'gzip' | 'zstd';

const LAYERS: Readonly<Record<string, Compression>> = {
  [MEDIA_TYPE.ociLayer]: 'none',
  [MEDIA_TYPE.ociLayerGzip]: 'gzip',
  [MEDIA_TYPE.ociLayerZstd]: 'zstd',
  [MEDIA_TYPE.dockerLayer]: 'none',
  [MEDIA_TYPE.dockerLayerGzip]: 'gzip',
  [MEDIA_TYPE.dockerLayerZstd]: 'zstd',
};

/** Layers that the publisher's licence keeps out of registries (Windows bases). */
const FOREIGN =
  /^application\/vnd\.(?:oci\.image\.layer\.nondistributable|docker\.image\.rootfs\.foreign)\b/;

/** What an `Accept` header asks a registry for. */
export const MANIFEST_MEDIA_TYPES: readonly string[] = [
  MEDIA_TYPE.ociIndex,
  MEDIA_TYPE.dockerIndex,
  MEDIA_TYPE.ociManifest,
  MEDIA_TYPE.dockerManifest,
];

export function isManifestMediaType(mediaType: string): boolean {
  return mediaType === MEDIA_TYPE.ociManifest || mediaType === MEDIA_TYPE.dockerManifest;
}

export function isIndexMediaType(mediaType: string): boolean {
  return mediaType === MEDIA_TYPE.ociIndex || mediaType === MEDIA_TYPE.dockerIndex;
}

export function isConfigMediaType(mediaType: string): boolean {
  return mediaType === MEDIA_TYPE.ociConfig || mediaType === MEDIA_TYPE.dockerConfig;
}

/** The compression that a layer's media type promises; UserError TSB_UNSUPPORTED otherwise. */
export function layerCompression(mediaType: string): Compression {
  const compression = Object.hasOwn(LAYERS, mediaType) ? LAYERS[mediaType] : undefined;
  if (compression !== undefined) return compression;
  const found = FOREIGN.test(mediaType)
    ? `foreign layer ${mediaType}, want one that a registry stores`
    : `media type ${JSON.stringify(mediaType)}, want a tar, plain or compressed with gzip or zstd`;
  throw new UserError('TSB_UNSUPPORTED', `Cannot use layer: ${found}`);
}

/** The OCI media type of a layer that is compressed so. */
export function layerMediaType(compression: Compression): string {
  switch (compression) {
    case 'none':
      return MEDIA_TYPE.ociLayer;
    case 'gzip':
      return MEDIA_TYPE.ociLayerGzip;
    case 'zstd':
      return MEDIA_TYPE.ociLayerZstd;
  }
}
