import type { Digest } from '../oci/digest.js';
import type { Descriptor } from '../oci/descriptor.js';
import { DOCKER_ARCHIVE_MANIFEST, type DockerArchiveEntry } from '../oci/docker-archive.js';
import { ociIndex } from '../oci/image-index.js';
import { encodeJson } from '../oci/json.js';
import { ANNOTATION, LAYOUT, layoutBlobPath } from '../oci/layout.js';
import { formatFamiliar, formatReference, type Reference } from '../oci/reference.js';
import type { ExportedImage } from './export-image.js';

/** A file of an image layout; its path is made of fixed names and hex digits. */
export interface LayoutFile {
  readonly path: string;
  readonly size: number;
  readonly open: () => AsyncIterable<Buffer> | Iterable<Buffer>;
}

function fileOf(path: string, bytes: Buffer): LayoutFile {
  return { path, size: bytes.length, open: () => [bytes] };
}

/** The entries of a layout's index: one per name, or one without. */
export function layoutEntries(
  manifest: Descriptor,
  platform: Descriptor['platform'],
  names: readonly Reference[],
): Descriptor[] {
  const entry = { ...manifest, ...(platform && { platform }) };
  if (names.length === 0) return [entry];
  return names.map((name) => ({
    ...entry,
    annotations: {
      ...manifest.annotations,
      [ANNOTATION.imageName]: formatReference(name),
      [ANNOTATION.refName]: name.tag ?? 'latest',
    },
  }));
}

/** The blobs of an image, each once. */
export function layoutBlobs(image: ExportedImage): LayoutFile[] {
  const files = new Map<Digest, LayoutFile>();
  for (const { descriptor, open } of [image.config, ...image.layers]) {
    const { digest, size } = descriptor;
    files.set(digest, { path: layoutBlobPath(digest), size, open });
  }
  const { digest } = image.manifest;
  files.set(digest, fileOf(layoutBlobPath(digest), image.manifestBytes));
  return [...files.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** The marker that makes a directory a layout. */
export function layoutMarker(): LayoutFile {
  return fileOf(LAYOUT.marker, encodeJson({ imageLayoutVersion: LAYOUT.version }));
}

/** The list of images of a layout. */
export function layoutIndex(entries: readonly Descriptor[]): LayoutFile {
  return fileOf(LAYOUT.index, encodeJson(ociIndex(entries)));
}

/** `manifest.json`, which makes a layout's archive one for `docker load`, too. */
export function dockerManifest(image: ExportedImage, names: readonly Reference[]): LayoutFile {
  const entry: DockerArchiveEntry = {
    Config: layoutBlobPath(image.config.descriptor.digest),
    RepoTags: names.map((name) => formatFamiliar(name)),
    Layers: image.layers.map(({ descriptor }) => layoutBlobPath(descriptor.digest)),
  };
  return fileOf(DOCKER_ARCHIVE_MANIFEST, encodeJson([entry]));
}
