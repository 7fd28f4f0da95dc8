import fs from 'node:fs';
import { parseConfig } from '../oci/config.js';
import { describeBytes, type Descriptor } from '../oci/descriptor.js';
import {
  chooseFromArchive,
  DOCKER_ARCHIVE_MANIFEST,
  parseDockerArchive,
} from '../oci/docker-archive.js';
import { parseIndex } from '../oci/image-index.js';
import { encodeJson } from '../oci/json.js';
import { chooseFromLayout, LAYOUT, layoutBlobPath, parseLayoutMarker } from '../oci/layout.js';
import { ociManifest } from '../oci/manifest.js';
import { layerMediaType, MEDIA_TYPE, type Compression } from '../oci/media-types.js';
import type { BlobInfo } from '../store/blobs.js';
import type { ImageRecord } from '../store/images.js';
import type { Store } from '../store/store.js';
import { detectCompression } from '../tar/decompress.js';
import { UserError } from '../util/errors.js';
import { readMembers, type ArchiveMembers } from './archive-members.js';
import { importManifest, type ImportOptions } from './import-manifest.js';

/** An archive and which of its images. */
export interface ArchiveSource {
  readonly file: string;
  readonly tag?: string;
}

const MAGIC_BYTES = 6;

/** A blob that must be there already: the archive was read as a whole. */
function present(members: ArchiveMembers, nameOf: (descriptor: Descriptor) => string) {
  return (descriptor: Descriptor): Promise<void> => {
    const { digest, size } = members.blob(nameOf(descriptor));
    if (digest === descriptor.digest && size === descriptor.size) return Promise.resolve();
    const found = `${nameOf(descriptor)} is ${digest} of ${size} bytes`;
    throw new UserError(
      'TSB_DIGEST_MISMATCH',
      `Cannot read ${members.what}: ${found}, want ${descriptor.digest} of ${descriptor.size}`,
    );
  };
}

/** Takes an image of an archived OCI layout into the store. */
export async function importOciArchive(
  store: Store,
  { file, tag }: ArchiveSource,
  options: ImportOptions,
): Promise<ImageRecord> {
  const what = `OCI archive '${file}'`;
  const documents = [LAYOUT.marker, LAYOUT.index];
  const members = await readMembers(store, { file, what, documents }, options);
  parseLayoutMarker(members.document(LAYOUT.marker), what);
  const index = parseIndex(members.document(LAYOUT.index), what);
  const fetch = present(members, ({ digest }) => layoutBlobPath(digest));
  const entry = chooseFromLayout(index, { tag }, what);
  return await importManifest(store, entry, { ...options, fetch, what });
}

function compressionOf(store: Store, { digest }: BlobInfo, what: string): Compression {
  const head = Buffer.alloc(MAGIC_BYTES);
  const fd = fs.openSync(store.blobs.path(digest), 'r');
  try {
    fs.readSync(fd, head, 0, MAGIC_BYTES, 0);
  } finally {
    fs.closeSync(fd);
  }
  const compression = detectCompression(head);
  if (compression === 'none' || compression === 'gzip' || compression === 'zstd') {
    return compression;
  }
  throw new UserError('TSB_UNSUPPORTED', `Cannot read ${what}: a layer is ${compression}`);
}

/**
 * Takes an image of a docker archive (`docker save`, `podman save`) into the store, with an OCI
 * manifest made for it.
 */
export async function importDockerArchive(
  store: Store,
  { file, tag }: ArchiveSource,
  options: ImportOptions,
): Promise<ImageRecord> {
  const what = `docker archive '${file}'`;
  const documents = [DOCKER_ARCHIVE_MANIFEST];
  const members = await readMembers(store, { file, what, documents }, options);
  const entries = parseDockerArchive(members.document(DOCKER_ARCHIVE_MANIFEST), what);
  const chosen = chooseFromArchive(entries, tag, what);
  const config = members.blob(chosen.Config);
  const { rootfs } = parseConfig(await store.blobs.read(config.digest), `config of ${what}`);
  const layers = chosen.Layers.map((name, index): Descriptor => {
    const blob = members.blob(name);
    const compression = compressionOf(store, blob, what);
    const diffId = rootfs.diff_ids[index];
    if (compression === 'none' && diffId !== undefined && diffId !== blob.digest) {
      throw new UserError(
        'TSB_DIGEST_MISMATCH',
        `Cannot read ${what}: layer ${JSON.stringify(name)} is ${blob.digest}, want ${diffId}`,
      );
    }
    return { mediaType: layerMediaType(compression), ...blob };
  });
  const manifest = encodeJson(ociManifest({ mediaType: MEDIA_TYPE.ociConfig, ...config }, layers));
  await store.blobs.writeBytes(manifest);
  return await importManifest(store, describeBytes(MEDIA_TYPE.ociManifest, manifest), {
    ...options,
    fetch: () => Promise.resolve(),
    what,
  });
}
