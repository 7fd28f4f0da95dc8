import path from 'node:path';
import { LayerWriter } from '../layer/layer-writer.js';
import type { LayerId } from '../layer/types.js';
import { emptyConfig, encodeConfig } from '../oci/config.js';
import { describeBytes, type Descriptor } from '../oci/descriptor.js';
import type { Digest } from '../oci/digest.js';
import { encodeJson } from '../oci/json.js';
import { ociManifest } from '../oci/manifest.js';
import { MEDIA_TYPE } from '../oci/media-types.js';
import { hostPlatform } from '../oci/platform.js';
import type { ImageRecord } from '../store/images.js';
import type { Store } from '../store/store.js';
import { unpackLayer } from '../tar/unpack.js';
import { archive, chunksOf, type ArchiveEntry } from './tar-archive.js';

/** A layer of the store with these files. */
export async function sampleLayer(
  store: Store,
  entries: readonly ArchiveEntry[],
): Promise<LayerId> {
  using work = store.work.create();
  const dir = path.join(work.path, 'layer');
  using writer = LayerWriter.create(dir);
  const { root } = await unpackLayer(chunksOf(archive(entries)), { writer });
  writer.finish(root, { sync: false });
  return store.layers.publish(dir);
}

/**
 * An image as a build leaves it in the store: layers that are directories only, base first;
 * `pulled`: blobs of layers below them.
 */
export async function sampleImage(
  store: Store,
  layers: readonly (readonly ArchiveEntry[])[],
  pulled: readonly { descriptor: Descriptor; diffId: Digest }[] = [],
): Promise<ImageRecord> {
  const platform = hostPlatform();
  const descriptors = pulled.map(({ descriptor }) => descriptor);
  const diffIds = pulled.map(({ diffId }) => diffId);
  for (const entries of layers) {
    const id = await sampleLayer(store, entries);
    const { diffId, size } = await store.layerBlobs.measure(id);
    descriptors.push({ mediaType: MEDIA_TYPE.ociLayer, digest: diffId, size });
    diffIds.push(diffId);
  }
  const config = encodeConfig({
    ...emptyConfig(platform),
    created: '2024-01-01T00:00:00Z',
    config: { Cmd: ['/bin/sh'] },
    rootfs: { type: 'layers', diff_ids: diffIds },
    history: diffIds.map(() => ({ created: '2024-01-01T00:00:00Z', created_by: 'test' })),
  });
  await store.blobs.writeBytes(config);
  const manifest = encodeJson(
    ociManifest(describeBytes(MEDIA_TYPE.ociConfig, config), descriptors),
  );
  await store.blobs.writeBytes(manifest);
  return {
    manifest: describeBytes(MEDIA_TYPE.ociManifest, manifest),
    platform,
    created: '2024-01-01T00:00:00Z',
  };
}
