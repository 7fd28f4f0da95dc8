import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import type { Descriptor } from '../oci/descriptor.js';
import { ANNOTATION, LAYOUT, parseLayoutMarker } from '../oci/layout.js';
import { parseIndex } from '../oci/image-index.js';
import { UserError } from '../util/errors.js';
import type { ExportedImage } from './export-image.js';
import { layoutBlobs, layoutIndex, layoutMarker, type LayoutFile } from './layout-files.js';
import { outputError } from './output-error.js';
import { writeDirectoryOutput } from './replace-path.js';

/** Writes one file of a layout: complete, synced, then renamed. */
async function writeFile(root: string, { path: name, open }: LayoutFile): Promise<void> {
  const file = path.join(root, name);
  const temporary = `${file}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    const handle = await fs.promises.open(temporary, 'wx', 0o644);
    try {
      for await (const chunk of open()) await handle.writeFile(chunk);
      await handle.sync();
    } finally {
      await handle.close();
    }
    fs.renameSync(temporary, file);
  } catch (error) {
    fs.rmSync(temporary, { force: true });
    throw error;
  }
}

async function writeNew(
  root: string,
  image: ExportedImage,
  entries: readonly Descriptor[],
): Promise<void> {
  fs.mkdirSync(path.join(root, LAYOUT.blobs), { recursive: true, mode: 0o755 });
  fs.chmodSync(root, 0o755);
  for (const blob of layoutBlobs(image)) await writeFile(root, blob);
  await writeFile(root, layoutIndex(entries));
  await writeFile(root, layoutMarker());
}

function nameOf({ annotations }: Descriptor): string | undefined {
  return annotations?.[ANNOTATION.refName];
}

/** Adds the image to a layout; its names leave the images that had them. */
async function addTo(
  root: string,
  image: ExportedImage,
  entries: readonly Descriptor[],
): Promise<void> {
  const what = `'${path.join(root, LAYOUT.index)}'`;
  parseLayoutMarker(fs.readFileSync(path.join(root, LAYOUT.marker)), `'${root}'`);
  const index = parseIndex(fs.readFileSync(path.join(root, LAYOUT.index)), what);
  for (const blob of layoutBlobs(image)) {
    const there = fs.statSync(path.join(root, blob.path), { throwIfNoEntry: false });
    if (there?.size !== blob.size) await writeFile(root, blob);
  }
  const names = new Set(entries.map(nameOf));
  const kept = index.manifests.filter((descriptor) => !names.has(nameOf(descriptor)));
  await writeFile(root, layoutIndex([...kept, ...entries]));
}

/**
 * Writes an OCI image layout to the directory `dest`: a new one, or adds to the layout that is
 * there (its index is replaced last, by one rename). Anything else there is TSB_OUTPUT.
 */
export async function writeLayoutOutput(
  dest: string,
  image: ExportedImage,
  entries: readonly Descriptor[],
): Promise<void> {
  const isLayout = fs.existsSync(path.join(dest, LAYOUT.marker));
  try {
    if (isLayout) await addTo(dest, image, entries);
    else await writeDirectoryOutput(dest, (dir) => writeNew(dir, image, entries));
  } catch (error) {
    if (error instanceof UserError && error.code === 'TSB_OUTPUT' && !isLayout) {
      throw new UserError(error.code, error.message, {
        hint: 'dest may also be an OCI layout, to which the image is added',
        cause: error,
      });
    }
    throw outputError(error, dest);
  }
}
