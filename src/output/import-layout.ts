import fs from 'node:fs';
import path from 'node:path';
import type { Descriptor } from '../oci/descriptor.js';
import { parseIndex } from '../oci/image-index.js';
import type { ImageSource } from '../oci/image-source.js';
import { chooseFromLayout, LAYOUT, layoutBlobPath, parseLayoutMarker } from '../oci/layout.js';
import { DOCUMENT_BYTES_MAX } from '../store/blobs.js';
import type { ImageRecord } from '../store/images.js';
import type { Store } from '../store/store.js';
import { hasCode, UserError } from '../util/errors.js';
import { importManifest, type ImportOptions } from './import-manifest.js';

/** Waiting for a pipe, or reading what a link leads to, is no part of reading a layout. */
const FLAGS = fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK;

async function openFile(file: string, what: string): Promise<fs.promises.FileHandle> {
  try {
    const handle = await fs.promises.open(file, FLAGS);
    if ((await handle.stat()).isFile()) return handle;
    await handle.close();
  } catch (error) {
    if (!hasCode(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO')) throw error;
  }
  throw new UserError('TSB_IMAGE_INVALID', `Cannot read ${what}: it has no file '${file}'`);
}

async function readSmall(file: string, what: string): Promise<Buffer> {
  await using handle = await openFile(file, what);
  const { size } = await handle.stat();
  if (size > DOCUMENT_BYTES_MAX) {
    const message = `Cannot read '${file}': ${size} bytes, want at most ${DOCUMENT_BYTES_MAX}`;
    throw new UserError('TSB_LIMIT', message);
  }
  return await handle.readFile();
}

/** Takes an image of the OCI layout in `dir` into the store; tag and digest choose among several. */
export async function importLayout(
  store: Store,
  { dir, tag, digest }: Omit<Extract<ImageSource, { kind: 'oci' }>, 'kind'>,
  options: ImportOptions,
): Promise<ImageRecord> {
  const what = `OCI layout '${dir}'`;
  parseLayoutMarker(await readSmall(path.join(dir, LAYOUT.marker), what), what);
  const index = parseIndex(await readSmall(path.join(dir, LAYOUT.index), what), what);
  let stored = 0;
  const fetch = async (descriptor: Descriptor): Promise<void> => {
    const { digest, size } = descriptor;
    const handle = await openFile(path.join(dir, layoutBlobPath(digest)), what);
    const stream = handle.createReadStream({ highWaterMark: 1024 * 1024 });
    await store.blobs.write(stream as AsyncIterable<Buffer>, {
      expect: { digest, size },
      ...(options.signal && { signal: options.signal }),
    });
    stored += size;
    options.onProgress?.(stored);
  };
  return await importManifest(store, chooseFromLayout(index, { tag, digest }, what), {
    ...options,
    fetch,
    what,
  });
}
