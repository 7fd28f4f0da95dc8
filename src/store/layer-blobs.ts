import path from 'node:path';
import { LayerSet, openContent } from '../layer/layer-reader.js';
import { readTree } from '../layer/read-tree.js';
import type { LayerId } from '../layer/types.js';
import type { Descriptor } from '../oci/descriptor.js';
import { shortDigest, type Digest } from '../oci/digest.js';
import { verified } from '../oci/verify.js';
import { packDirectory } from '../tar/pack-directory.js';
import { GZIP_LEVEL } from '../tar/gzip.js';
import { packLayer } from '../tar/pack.js';
import { UserError } from '../util/errors.js';
import type { BlobInfo, BlobStore } from './blobs.js';
import type { LayerStore } from './layers.js';
import { explainNoSpace } from './no-space.js';

/**
 * The blobs of layers, stored or virtual: the uncompressed tar of a layer that was made here is a
 * function of its directory, and exists only while it is read.
 */
export class LayerBlobs {
  readonly #blobs: BlobStore;
  readonly #layers: LayerStore;
  readonly #temporaryPath: () => string;

  constructor(blobs: BlobStore, layers: LayerStore, temporaryPath: () => string) {
    this.#blobs = blobs;
    this.#layers = layers;
    this.#temporaryPath = temporaryPath;
  }

  /** Whether the bytes can be read here. */
  has({ digest }: Pick<Descriptor, 'digest'>): boolean {
    return this.#blobs.has(digest) || this.#layers.findByDiffId(digest) !== undefined;
  }

  /** Streams a layer's blob; errors as `BlobStore.open`. */
  open(
    { digest, size }: Pick<Descriptor, 'digest' | 'size'>,
    signal?: AbortSignal,
  ): AsyncIterable<Buffer> {
    if (this.#blobs.has(digest)) return this.#blobs.open(digest);
    const layer = this.#layers.findByDiffId(digest);
    if (layer === undefined) return this.#blobs.open(digest);
    return verified(this.#pack(layer, signal), { digest, size }, `layer ${shortDigest(digest)}`);
  }

  /** The tar of a layer directory, whatever its digest. */
  async *#pack(layer: LayerId, signal: AbortSignal | undefined): AsyncGenerator<Buffer> {
    using layers = new LayerSet((id) => this.#layers.dirOf(id));
    yield* packLayer(readTree(layers.open(layer).index), {
      contentOf: ({ content, size }) => openContent({ layers, home: layer, ref: content, size }),
      ...(signal && { signal }),
    });
  }

  /** The digest and size of a layer's tar, computed in a thread and remembered. */
  async measure(layer: LayerId, signal?: AbortSignal): Promise<{ diffId: Digest; size: number }> {
    const { diffId, size } = await packDirectory({ layersRoot: this.#layers.root, layer }, signal);
    this.#layers.setDiffId(layer, diffId, size);
    return { diffId, size };
  }

  /** The layer compressed: the blob of an earlier time, else made in a thread and kept. */
  async gzip(
    diffId: Digest,
    { level = GZIP_LEVEL, signal }: { readonly level?: number; readonly signal?: AbortSignal } = {},
  ): Promise<BlobInfo> {
    const record = this.#layers.findRecord(diffId);
    if (record === undefined) {
      throw new UserError('TSB_STORE', `Cannot find layer ${diffId} in the store`);
    }
    const known = record.gzip?.[level];
    if (known !== undefined && this.#blobs.findSize(known.digest) === known.size) return known;
    const file = this.#temporaryPath();
    try {
      const job = { layersRoot: this.#layers.root, layer: record.layer, gzip: { file, level } };
      const packed = await packDirectory(job, signal);
      if (packed.diffId !== diffId || packed.compressed === undefined) {
        throw new UserError(
          'TSB_DIGEST_MISMATCH',
          `Cannot compress layer ${diffId}: its files are now ${packed.diffId}`,
        );
      }
      this.#blobs.adopt(file, packed.compressed.digest);
      this.#layers.addGzip(diffId, level, packed.compressed);
      return packed.compressed;
    } catch (error) {
      throw explainNoSpace(error, path.dirname(file));
    }
  }
}
