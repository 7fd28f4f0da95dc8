import * as v from 'valibot';
import { UserError } from '../util/errors.js';
import type { Descriptor } from './descriptor.js';
import type { Digest } from './digest.js';
import { digestHex } from './digest.js';
import type { ImageIndex } from './image-index.js';
import { parseJson, wireObject } from './json.js';

/** Names inside an OCI image layout (image-spec, image-layout.md). */
export const LAYOUT = {
  marker: 'oci-layout',
  index: 'index.json',
  blobs: 'blobs/sha256',
  version: '1.0.0',
} as const;

/** Keys of annotations that layouts carry. */
export const ANNOTATION = {
  refName: 'org.opencontainers.image.ref.name',
  /** containerd's: the whole reference. */
  imageName: 'io.containerd.image.name',
} as const;

const markerSchema = wireObject({ imageLayoutVersion: v.string() });

/** Checks the content of the `oci-layout` file; UserError TSB_IMAGE_INVALID, TSB_UNSUPPORTED. */
export function parseLayoutMarker(bytes: Uint8Array, what: string): void {
  const { imageLayoutVersion: version } = parseJson(bytes, markerSchema, what);
  if (!version.startsWith('1.')) {
    throw new UserError(
      'TSB_UNSUPPORTED',
      `Cannot read ${what}: layout version ${version}, want 1`,
    );
  }
}

/** Where a blob lies in a layout, from its root. */
export function layoutBlobPath(digest: Digest): string {
  return `${LAYOUT.blobs}/${digestHex(digest)}`;
}

/** Which image of a layout is meant. */
export interface LayoutName {
  readonly tag?: string | undefined;
  readonly digest?: Digest | undefined;
}

/**
 * The entry of a layout's index that `tag` names (ref.name or containerd's image name) and that
 * has `digest`, or, with neither, the only one. UserError TSB_IMAGE_NOT_FOUND lists the names that
 * there are.
 */
export function chooseFromLayout(
  index: ImageIndex,
  { tag, digest: wanted }: LayoutName,
  what: string,
): Descriptor {
  const named = index.manifests.filter(({ annotations, digest }) => {
    if (wanted !== undefined && wanted !== digest) return false;
    if (tag === undefined) return true;
    return annotations?.[ANNOTATION.refName] === tag || annotations?.[ANNOTATION.imageName] === tag;
  });
  const [only] = named;
  if (only !== undefined && named.every(({ digest }) => digest === only.digest)) return only;
  const names = index.manifests.flatMap(
    ({ annotations }) =>
      annotations?.[ANNOTATION.refName] ?? annotations?.[ANNOTATION.imageName] ?? [],
  );
  const found = named.length === 0 ? 'none' : `${named.length} of them`;
  const name = tag ?? wanted;
  const asked = name === undefined ? 'one image' : `image ${JSON.stringify(name)}`;
  throw new UserError('TSB_IMAGE_NOT_FOUND', `Cannot find ${asked} in ${what}: found ${found}`, {
    hint: names.length === 0 ? 'no image there has a name' : `it has ${names.join(', ')}`,
  });
}
