import type { Reference } from '../src/oci/reference.js';
import type { ImageRecord } from '../src/store/images.js';
import type { StoredImage } from '../src/store/stored-image.js';
import type { Store } from '../src/store/store.js';
import { UserError } from '../src/util/errors.js';

/** What the local store records under a name. */
export interface FoundRecord {
  readonly reference: Reference;
  /** The reference as people write it. */
  readonly name: string;
  readonly record: ImageRecord;
}

/** An image of the local store, and how it was found. */
export interface FoundImage extends FoundRecord {
  readonly image: StoredImage;
}

/** Finds an image of the local store; throws TSB_IMAGE_NOT_FOUND with the name that is near. */
export async function findImage(store: Store, text: string): Promise<FoundImage> {
  const found = await findRecord(store, text);
  return { ...found, image: await store.loadImage(found.record) };
}

/** {@link findImage} without a look at the image, which may be damaged. */
export async function findRecord(store: Store, text: string): Promise<FoundRecord> {
  const { formatFamiliar, parseReference, withDefaultTag } =
    await import('../src/oci/reference.js');
  const reference = withDefaultTag(parseReference(text));
  const name = formatFamiliar(reference);
  const record = store.images.get(reference);
  if (record !== undefined) return { reference, name, record };
  const names = store.images.list().map((image) => formatFamiliar(parseReference(image.reference)));
  throw await notFound(text, name, names);
}

async function notFound(text: string, name: string, names: string[]): Promise<UserError> {
  const { suggest } = await import('../src/util/suggest.js');
  const near = suggest(name, names);
  const hint = near === undefined ? `tsbuild pull ${text}` : `did you mean ${near}?`;
  return new UserError('TSB_IMAGE_NOT_FOUND', `Cannot find image "${name}" in the store`, { hint });
}
