import { describeBytes, type Descriptor } from '../oci/descriptor.js';
import { ociIndex } from '../oci/image-index.js';
import { encodeJson } from '../oci/json.js';
import { MEDIA_TYPE } from '../oci/media-types.js';
import { shortPlatform } from '../oci/platform.js';
import { parseReference, withDefaultTag, type Reference } from '../oci/reference.js';
import type { Store } from '../store/store.js';
import type { StoredImage } from '../store/stored-image.js';
import { assert } from '../util/assert.js';
import { writeArchive } from './archive-output.js';
import { exportImage, type ExportOptions, type ExportedImage } from './export-image.js';
import { layoutBlobs, layoutEntries, layoutIndex, layoutMarker } from './layout-files.js';
import { writeLayoutOutput } from './layout-output.js';
import type { ImageOutputSpec } from './output-spec.js';
import { writeFileOutput } from './replace-path.js';

type Annotations = Readonly<Record<string, string>>;

/** Images of several platforms under one index. */
export interface ExportedIndex {
  readonly images: readonly ExportedImage[];
  readonly descriptor: Descriptor;
  readonly bytes: Buffer;
}

/** What an index says besides its images: of itself, and of its descriptor. */
export interface IndexAnnotations {
  readonly index?: Annotations | undefined;
  readonly descriptor?: Annotations | undefined;
}

/** Prepares the images for an archive or a push, as {@link exportImage}, and makes their index. */
export async function exportIndex(
  store: Store,
  images: readonly StoredImage[],
  { annotations = {}, ...options }: ExportOptions & { readonly annotations?: IndexAnnotations },
): Promise<ExportedIndex> {
  const exported: ExportedImage[] = [];
  const manifests: Descriptor[] = [];
  for (const image of images) {
    const each = await exportImage(store, image, options);
    exported.push(each);
    manifests.push({ ...each.manifest, platform: shortPlatform(image.record.platform) });
  }
  const { index, descriptor } = annotations;
  const bytes = encodeJson({ ...ociIndex(manifests), ...(index && { annotations: index }) });
  const described = describeBytes(MEDIA_TYPE.ociIndex, bytes);
  return {
    images: exported,
    bytes,
    descriptor: { ...described, ...(descriptor && { annotations: descriptor }) },
  };
}

/** Writes an index with all that it names to a layout or its archive; errors as `writeOutput`. */
export async function writeIndexOutput(
  output: ImageOutputSpec,
  exported: ExportedIndex,
  tags: readonly Reference[],
): Promise<void> {
  const given = output.name === undefined ? tags : [parseReference(output.name)];
  const names = given.map((name) => withDefaultTag(name));
  const entries = layoutEntries(exported.descriptor, undefined, names);
  const whole = asOneImage(exported);
  if (output.type === 'oci') {
    await writeLayoutOutput(output.dest, whole, entries);
    return;
  }
  const files = [...layoutBlobs(whole), layoutIndex(entries), layoutMarker()];
  await writeFileOutput(output.dest, (sink) => writeArchive(sink, files));
}

/** For a layout an index is a document that names blobs, as a manifest is. */
function asOneImage({ images, descriptor, bytes }: ExportedIndex): ExportedImage {
  const blobs = images.flatMap(({ config, layers, manifest, manifestBytes }) => [
    ...[config, ...layers],
    { descriptor: manifest, open: () => streamOf(manifestBytes) },
  ]);
  const [first, ...rest] = blobs;
  assert(first !== undefined, 'an index has images');
  return { manifest: descriptor, manifestBytes: bytes, config: first, layers: rest };
}

// eslint-disable-next-line @typescript-eslint/require-await -- a blob is a stream
async function* streamOf(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}
