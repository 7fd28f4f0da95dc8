import fs from 'node:fs';
import path from 'node:path';
import type { Descriptor } from '../oci/descriptor.js';
import { parseIndex } from '../oci/image-index.js';
import { parseJson } from '../oci/json.js';
import { LAYOUT, layoutBlobPath, parseLayoutMarker } from '../oci/layout.js';
import { verified, verifyBytes } from '../oci/verify.js';
import { LayerWriter } from '../layer/layer-writer.js';
import { WHITEOUT, type LayerDir, type LayerId } from '../layer/types.js';
import { ImageTree } from '../overlay/image-tree.js';
import { Overlay } from '../overlay/overlay.js';
import { DOCUMENT_BYTES_MAX } from '../store/blobs.js';
import type { CacheMountKey } from '../store/cache-mounts.js';
import { unpackLayer } from '../tar/unpack.js';
import { displayName } from '../util/byte-name.js';
import { hasCode, UserError } from '../util/errors.js';
import { CACHE_MOUNTS_TYPE, cacheMountsSchema, isDevice, keyOf } from './cache-mounts-layout.js';
import { writeLocalFiles } from './local-output.js';

/** Reading what a link leads to, or waiting for a pipe, is no part of reading a layout. */
const FLAGS = fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK;

/** What unpacking a cache needs. */
export interface FillCache {
  /** An absent path for what is in between. */
  readonly work: string;
  readonly signal: AbortSignal;
}

/** Exported caches in a directory. Nothing in it is trusted. */
export class CacheMountsImport {
  readonly #dir: string;
  readonly #layers: ReadonlyMap<string, Descriptor>;

  private constructor(dir: string, layers: ReadonlyMap<string, Descriptor>) {
    this.#dir = dir;
    this.#layers = layers;
  }

  /** Undefined: there is no such directory yet. Throws UserError for one that is something else. */
  static async open(dir: string): Promise<CacheMountsImport | undefined> {
    if (!fs.existsSync(dir)) return undefined;
    const what = `cache mounts '${dir}'`;
    parseLayoutMarker(await readSmall(dir, LAYOUT.marker, what), what);
    const index = parseIndex(await readSmall(dir, LAYOUT.index, what), what);
    const layers = new Map<string, Descriptor>();
    for (const manifest of index.manifests) {
      if (manifest.artifactType !== CACHE_MOUNTS_TYPE) continue;
      const bytes = await readSmall(dir, layoutBlobPath(manifest.digest), what);
      verifyBytes(bytes, manifest, what);
      for (const layer of parseJson(bytes, cacheMountsSchema, what).layers) {
        const key = keyOf(layer);
        if (key !== undefined) layers.set(textOf(key), layer);
      }
    }
    return new CacheMountsImport(dir, layers);
  }

  has(key: CacheMountKey): boolean {
    return this.#layers.has(textOf(key));
  }

  /**
   * Makes the files of a cache in the empty directory `dest`. False: it is not among them. Throws
   * UserError if it is damaged or hostile, with nothing but `dest` and `work` touched.
   */
  async fill(key: CacheMountKey, dest: string, options: FillCache): Promise<boolean> {
    const layer = this.#layers.get(textOf(key));
    if (layer === undefined) return false;
    try {
      await this.#unpack(layer, dest, options);
      return true;
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      const message = `Cannot import cache "${key.id}" of '${this.#dir}': ${error.message}`;
      const hint = 'Remove the directory: the cache begins empty then';
      throw new UserError(error.code, message, { hint, cause: error });
    }
  }

  async #unpack(layer: Descriptor, dest: string, { work, signal }: FillCache): Promise<void> {
    const name = layoutBlobPath(layer.digest);
    await using handle = await openFile(this.#dir, name, `cache mounts '${this.#dir}'`);
    const stream = handle.createReadStream({ highWaterMark: 1024 * 1024 });
    // Digest and size are known to be right only at the end: nothing is made before.
    using writer = LayerWriter.create(work);
    const blob = verified(stream as AsyncIterable<Buffer>, layer, `'${name}'`);
    const { root } = await unpackLayer(blob, { writer, signal });
    refuseDevices(root, '');
    writer.finish(root, { sync: false });
    using overlay = Overlay.open({
      lowers: [{ kind: 'indexed', id: 'cache' as LayerId }],
      layerDirOf: () => work,
      upperdir: undefined,
    });
    await writeLocalFiles(new ImageTree(overlay), dest, { privileged: true, signal });
  }
}

/** A cache has none, and the store's directory need not be mounted nodev. */
function refuseDevices(dir: LayerDir, at: string): void {
  for (const [name, node] of dir.entries) {
    if (node === WHITEOUT) continue;
    const file = `${at}/${displayName(name)}`;
    if (isDevice(node.mode)) {
      throw new UserError('TSB_LAYER_INVALID', `found the device "${file}", want none`);
    }
    if (node.kind === 'dir') refuseDevices(node, file);
  }
}

function textOf({ id, base }: CacheMountKey): string {
  return JSON.stringify([id, base]);
}

async function openFile(dir: string, name: string, what: string): Promise<fs.promises.FileHandle> {
  try {
    const handle = await fs.promises.open(path.join(dir, name), FLAGS);
    if ((await handle.stat()).isFile()) return handle;
    await handle.close();
  } catch (error) {
    if (!hasCode(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO')) throw error;
  }
  throw new UserError('TSB_IMAGE_INVALID', `Cannot read ${what}: it has no file '${name}'`);
}

async function readSmall(dir: string, name: string, what: string): Promise<Buffer> {
  await using handle = await openFile(dir, name, what);
  const { size } = await handle.stat();
  if (size > DOCUMENT_BYTES_MAX) {
    const message = `Cannot read ${what}: '${name}' has ${size} bytes, want at most ${DOCUMENT_BYTES_MAX}`;
    throw new UserError('TSB_LIMIT', message);
  }
  return await handle.readFile();
}
