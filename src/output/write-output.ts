import type { Reference } from '../oci/reference.js';
import { parseReference, withDefaultTag } from '../oci/reference.js';
import type { Store } from '../store/store.js';
import type { StoredImage } from '../store/stored-image.js';
import { packLayer } from '../tar/pack.js';
import { displayName } from '../util/byte-name.js';
import { writeArchive } from './archive-output.js';
import { exportImage } from './export-image.js';
import { openImageFiles } from './image-files.js';
import {
  dockerManifest,
  layoutBlobs,
  layoutEntries,
  layoutIndex,
  layoutMarker,
} from './layout-files.js';
import { writeLayoutOutput } from './layout-output.js';
import { writeLocalFiles, type LocalOptions } from './local-output.js';
import { mergeTree } from './merged-tree.js';
import { MetadataLosses } from './metadata-losses.js';
import type { FilesOutputSpec, ImageOutputSpec, OutputSpec } from './output-spec.js';
import { outputError } from './output-error.js';
import { writeDirectoryOutput, writeFileOutput, type ByteSink } from './replace-path.js';

/** How to write an output. */
export interface WriteOutputOptions extends Partial<LocalOptions> {
  /** The image's names in archives, unless the spec has one. */
  readonly tags?: readonly Reference[];
}

/** What was written. */
export interface OutputResult {
  readonly type: OutputSpec['type'];
  readonly dest: string;
  /** What could not be made as in the image, in sentences for the user. */
  readonly warnings: readonly string[];
}

async function writeImage(
  output: ImageOutputSpec,
  image: StoredImage,
  store: Store,
  { tags = [], signal }: WriteOutputOptions,
): Promise<string[]> {
  const { compression, compressionLevel } = output;
  const exported = await exportImage(store, image, {
    compression,
    ...(compressionLevel !== undefined && { compressionLevel }),
    ...(signal && { signal }),
  });
  const given = output.name === undefined ? tags : [parseReference(output.name)];
  const names = given.map((name) => withDefaultTag(name));
  const entries = layoutEntries(exported.manifest, image.record.platform, names);
  if (output.type === 'oci') {
    await writeLayoutOutput(output.dest, exported, entries);
    return [];
  }
  const files = [
    ...layoutBlobs(exported),
    layoutIndex(entries),
    ...(output.type === 'docker' ? [dockerManifest(exported, names)] : []),
    layoutMarker(),
  ];
  await writeFileOutput(output.dest, (sink) => writeArchive(sink, files));
  return [];
}

async function writeTar(
  sink: ByteSink,
  image: StoredImage,
  store: Store,
  { signal }: WriteOutputOptions,
): Promise<string[]> {
  using files = await openImageFiles(store, image, signal ? { signal } : {});
  const { root, sourceOf } = mergeTree(files.tree);
  const losses = new MetadataLosses();
  const tar = packLayer(root, {
    contentOf: (file) => files.tree.read(sourceOf(file)),
    onSkipped: (path) => losses.add('left out sockets', displayName(path)),
    ...(signal && { signal }),
  });
  for await (const chunk of tar) await sink.write(chunk);
  return losses.report();
}

async function writeFiles(
  output: FilesOutputSpec,
  image: StoredImage,
  store: Store,
  options: WriteOutputOptions,
): Promise<readonly string[]> {
  if (output.type === 'local') return await unpackImage(image, output.dest, store, options);
  let warnings: string[] = [];
  await writeFileOutput(output.dest, async (sink) => {
    warnings = await writeTar(sink, image, store, options);
  });
  return warnings;
}

/**
 * Writes an image of the store to a place outside: all of it, or nothing. Layers that are only
 * directories are compressed on the way, blobs that were pulled go as they are. Throws
 * TSB_OUTPUT, TSB_NO_SPACE, TSB_STORE, and the signal's reason.
 */
export async function writeOutput(
  output: OutputSpec,
  image: StoredImage,
  store: Store,
  options: WriteOutputOptions = {},
): Promise<OutputResult> {
  const { type, dest } = output;
  const warnings =
    'compression' in output
      ? await writeImage(output, image, store, options)
      : await writeFiles(output, image, store, options);
  return { type, dest, warnings };
}

/**
 * Makes the root file system of an image in `dest`, absent or empty before. Returns warnings: see
 * {@link LocalOptions.privileged}.
 */
export async function unpackImage(
  image: StoredImage,
  dest: string,
  store: Store,
  options: WriteOutputOptions = {},
): Promise<readonly string[]> {
  const { privileged = process.geteuid?.() === 0 } = options;
  const { onProgress, signal } = options;
  using files = await openImageFiles(store, image, signal ? { signal } : {});
  try {
    return await writeDirectoryOutput(dest, (dir) =>
      writeLocalFiles(files.tree, dir, {
        privileged,
        ...(signal && { signal }),
        ...(onProgress && { onProgress }),
      }),
    );
  } catch (error) {
    throw outputError(error, dest);
  }
}
