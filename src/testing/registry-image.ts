import type { ImageConfig } from '../oci/config.js';
import { emptyConfig, encodeConfig } from '../oci/config.js';
import type { Descriptor } from '../oci/descriptor.js';
import { describeBytes } from '../oci/descriptor.js';
import { digestOf } from '../oci/digest.js';
import { encodeJson } from '../oci/json.js';
import type { Manifest } from '../oci/manifest.js';
import { ociManifest } from '../oci/manifest.js';
import { MEDIA_TYPE } from '../oci/media-types.js';
import type { Platform } from '../oci/platform.js';

/** An image in memory, its layers any bytes. */
export interface SampleImage {
  readonly config: ImageConfig;
  readonly manifest: Manifest;
  readonly manifestBytes: Buffer;
  readonly descriptor: Descriptor;
  /** The layers and the config, by digest. */
  readonly blobs: ReadonlyMap<string, Buffer>;
}

/** Makes an image of these layers, which need not be archives. */
export function sampleImage(
  layers: readonly Buffer[],
  platform: Platform = { os: 'linux', architecture: 'amd64' },
): SampleImage {
  const config: ImageConfig = {
    ...emptyConfig(platform),
    rootfs: { type: 'layers', diff_ids: layers.map((layer) => digestOf(layer)) },
  };
  const configBytes = encodeConfig(config);
  const manifest = ociManifest(
    describeBytes(MEDIA_TYPE.ociConfig, configBytes),
    layers.map((layer) => describeBytes(MEDIA_TYPE.ociLayer, layer)),
  );
  const manifestBytes = encodeJson(manifest);
  const descriptor = describeBytes(MEDIA_TYPE.ociManifest, manifestBytes);
  const blobs = new Map(
    [...layers, configBytes].map((bytes) => [digestOf(bytes) as string, bytes]),
  );
  return { config, manifest, manifestBytes, descriptor, blobs };
}
