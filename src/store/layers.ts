import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import * as v from 'valibot';
import { LayerWriter } from '../layer/layer-writer.js';
import type { LayerDir, LayerId } from '../layer/types.js';
import { digestSchema } from '../oci/descriptor.js';
import { digestHex, isDigest, shortDigest, type Digest } from '../oci/digest.js';
import { UserError } from '../util/errors.js';
import {
  findFileText,
  listNames,
  syncDirectory,
  tryParseJson,
  writeFileAtomic,
} from './atomic-file.js';
import type { BlobInfo } from './blobs.js';
import { acquireLock, type WaitOptions } from './lock.js';
import { explainNoSpace } from './no-space.js';
import type { StorePaths } from './paths.js';
import type { WorkArea } from './work.js';

/** What is known of a diffId: the layer that has its files, and what it was compressed to. */
export interface DiffIdRecord {
  readonly layer: LayerId;
  /** Bytes of the uncompressed tar, where known. */
  readonly tarSize?: number;
  /** gzip'ed blobs of it, by level. */
  readonly gzip?: Readonly<Record<string, BlobInfo>>;
}

/** What unpacking a layer yields; `size` is that of the uncompressed tar. */
export interface UnpackedTree {
  readonly root: LayerDir;
  readonly size?: number;
}

const LAYER_ID = /^[0-9a-f]{32}$/;
const LAYER_ID_BYTES = 16;

const recordSchema = v.object({
  layer: v.custom<LayerId>((value) => typeof value === 'string' && LAYER_ID.test(value)),
  tarSize: v.exactOptional(v.number()),
  gzip: v.exactOptional(v.record(v.string(), v.object({ digest: digestSchema, size: v.number() }))),
});

/** Layer directories, and which diffId is which. */
export class LayerStore {
  readonly #paths: StorePaths;
  readonly #work: WorkArea;

  constructor(paths: StorePaths, work: WorkArea) {
    this.#paths = paths;
    this.#work = work;
  }

  /** Holds every layer's directory under its id. */
  get root(): string {
    return this.#paths.layers;
  }

  dirOf(id: LayerId): string {
    return path.join(this.#paths.layers, id);
  }

  has(id: LayerId): boolean {
    return fs.existsSync(path.join(this.dirOf(id), 'index'));
  }

  list(): LayerId[] {
    return listNames(this.#paths.layers).filter((name): name is LayerId => LAYER_ID.test(name));
  }

  /** The layer with the files of `diffId`; undefined if it was not unpacked or made here. */
  findByDiffId(diffId: Digest): LayerId | undefined {
    return this.findRecord(diffId)?.layer;
  }

  /** What is known of `diffId`; undefined if its layer is not in the store. */
  findRecord(diffId: Digest): DiffIdRecord | undefined {
    const text = findFileText(path.join(this.#paths.diffids, digestHex(diffId)));
    if (text === undefined) return undefined;
    const parsed = v.safeParse(recordSchema, tryParseJson(text));
    return parsed.success && this.has(parsed.output.layer) ? parsed.output : undefined;
  }

  /** All diffIds that have a record. */
  listDiffIds(): Digest[] {
    return listNames(this.#paths.diffids)
      .map((name) => `sha256:${name}`)
      .filter(isDigest);
  }

  /**
   * The layer of `diffId`, unpacked by `unpack` if it is not there: once, also among processes,
   * of which the others wait. `unpack` must have verified the diffId. A failure leaves nothing.
   * For a layer that depends on those below it, the chainId stands in for the diffId.
   */
  async ensure(
    diffId: Digest,
    unpack: (writer: LayerWriter) => Promise<LayerDir | UnpackedTree>,
    options: WaitOptions = {},
  ): Promise<LayerId> {
    const there = this.findByDiffId(diffId);
    if (there !== undefined) return there;
    const lockFile = path.join(this.#paths.locks, `diffid-${digestHex(diffId)}`);
    const what = `another tsbuild unpacks layer ${shortDigest(diffId)}`;
    using _lock = await acquireLock(lockFile, 'exclusive', what, options);
    const meanwhile = this.findByDiffId(diffId);
    if (meanwhile !== undefined) return meanwhile;
    using work = this.#work.create();
    const dir = path.join(work.path, 'layer');
    try {
      using writer = LayerWriter.create(dir);
      const unpacked = await unpack(writer);
      const { root, size } = 'root' in unpacked ? unpacked : { root: unpacked, size: undefined };
      await writer.finishInThread(root);
      options.signal?.throwIfAborted();
      return this.publish(dir, { diffId, ...(size !== undefined && { tarSize: size }) });
    } catch (error) {
      throw explainNoSpace(error, this.#paths.root);
    }
  }

  /**
   * Takes over a complete, synced layer directory of the same file system, by one rename. Returns
   * its id.
   */
  publish(
    dir: string,
    { diffId, tarSize }: { readonly diffId?: Digest; readonly tarSize?: number } = {},
  ): LayerId {
    const id = randomBytes(LAYER_ID_BYTES).toString('hex') as LayerId;
    try {
      fs.renameSync(dir, this.dirOf(id));
      syncDirectory(this.#paths.layers);
    } catch (error) {
      throw explainNoSpace(error, this.#paths.layers);
    }
    if (diffId !== undefined) this.setDiffId(id, diffId, tarSize);
    return id;
  }

  /** Says that layer `id` is `diffId`. The first layer that is stays the one that is found. */
  setDiffId(id: LayerId, diffId: Digest, tarSize?: number): void {
    const known = this.findRecord(diffId);
    if (known !== undefined && (known.tarSize !== undefined || tarSize === undefined)) return;
    const record = { ...(known ?? { layer: id }), ...(tarSize !== undefined && { tarSize }) };
    this.#write(diffId, record);
  }

  /** Remembers the blob that `diffId` was compressed to. */
  addGzip(diffId: Digest, level: number, blob: BlobInfo): void {
    const record = this.findRecord(diffId);
    if (record === undefined) {
      throw new UserError('TSB_STORE', `Cannot find layer ${diffId} in the store`);
    }
    this.#write(diffId, { ...record, gzip: { ...record.gzip, [level]: blob } });
  }

  /** Removes a layer. Only the collector may. */
  remove(id: LayerId): void {
    // By rename first: a half-removed directory must not look like a layer.
    const work = this.#work.create();
    fs.renameSync(this.dirOf(id), path.join(work.path, 'removed'));
    work[Symbol.dispose]();
  }

  /** Removes a diffId's record. Only the collector may. */
  removeDiffId(diffId: Digest): void {
    fs.rmSync(path.join(this.#paths.diffids, digestHex(diffId)), { force: true });
  }

  #write(diffId: Digest, record: DiffIdRecord): void {
    writeFileAtomic(this.#paths.diffids, digestHex(diffId), JSON.stringify(record));
  }
}
