import type { ImageSource } from '../oci/image-source.js';
import type { ImageRecord } from '../store/images.js';
import type { Store } from '../store/store.js';
import { importDockerArchive, importOciArchive } from './import-archive.js';
import { importLayout } from './import-layout.js';
import type { ImportOptions } from './import-manifest.js';

/** A place outside the store, and no registry, that has images. */
export type FileImageSource = Exclude<ImageSource, { kind: 'reference' }>;

/**
 * Takes an image from a layout or archive into the store: blobs and documents verified, the
 * manifest of the wanted platform chosen. Returns a record that is under no reference yet. Throws
 * TSB_IMAGE_NOT_FOUND, TSB_IMAGE_INVALID, TSB_DIGEST_MISMATCH, TSB_UNSUPPORTED, TSB_LIMIT.
 */
export async function importImage(
  store: Store,
  source: FileImageSource,
  options: ImportOptions,
): Promise<ImageRecord> {
  switch (source.kind) {
    case 'oci':
      return await importLayout(store, source, options);
    case 'oci-archive':
      return await importOciArchive(store, source, options);
    case 'docker-archive':
      return await importDockerArchive(store, source, options);
  }
}
