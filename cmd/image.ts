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

/** Finds an image of the local store by name or by the start of its digest; throws TSB_IMAGE_NOT_FOUND with the name that is near. */
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
  const images = store.images.list().map((image) => {
    const reference = parseReference(image.reference);
    return { reference, name: formatFamiliar(reference), record: image.record };
  });
  const names = images.map((image) => image.name);
  return findByDigest(text, images) ?? (await notFound(text, name, names));
}

/** Digits of a digest, as `tsbuild images` shows them, or more of them. */
const DIGEST_START = /^(?:sha256:)?([0-9a-f]{6,64})$/;

/** The image whose digest begins so; of one with several names, the first. */
function findByDigest(text: string, images: readonly FoundRecord[]): FoundRecord | undefined {
  const digits = DIGEST_START.exec(text)?.[1];
  if (digits === undefined) return undefined;
  const isMeant = ({ record }: FoundRecord): boolean =>
    record.manifest.digest.startsWith(`sha256:${digits}`);
  const [found, ...others] = images.filter(isMeant);
  const other = others.find(
    ({ record }) => record.manifest.digest !== found?.record.manifest.digest,
  );
  if (other === undefined) return found;
  throw new UserError('TSB_USAGE', `Cannot tell which image "${text}" means: several begin so`, {
    hint: 'give more digits, or a name',
  });
}

async function notFound(text: string, name: string, names: string[]): Promise<never> {
  const { suggest } = await import('../src/util/suggest.js');
  const near = suggest(name, names);
  const hint = near === undefined ? `tsbuild pull ${text}` : `did you mean ${near}?`;
  throw new UserError('TSB_IMAGE_NOT_FOUND', `Cannot find image "${name}" in the store`, { hint });
}
