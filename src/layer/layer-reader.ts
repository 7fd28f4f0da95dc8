import path from 'node:path';

import { O_CLOEXEC, O_NOFOLLOW, O_RDONLY } from '../sys/constants.js';
import type { Fd } from '../sys/fd.js';
import { openat, preadFull } from '../sys/file.js';
import { fstat, fstatat } from '../sys/stat.js';
import { STORE_DAMAGED_HINT, UserError, hasCode, messageOf } from '../util/errors.js';
import { FdCache } from '../sys/fd-cache.js';
import { LayerIndex } from './index-codec.js';
import type { ContentRef, LayerId } from './types.js';

/** Where the directory of a layer is. */
export type LayerDirOf = (id: LayerId) => string;

/** Descriptors of layers that stay open: small enough for `ulimit -n 256`. */
export const LAYER_FDS_MAX = 64;
/** Bytes per chunk of a content stream. */
const CHUNK_BYTES = 1024 * 1024;

function openStored(file: string): Fd {
  try {
    return openat(undefined, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  } catch (error) {
    if (!hasCode(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) throw error;
    throw new UserError('TSB_STORE', `Cannot open '${file}': ${messageOf(error)}`, {
      hint: STORE_DAMAGED_HINT,
      cause: error,
    });
  }
}

function readIndex(dir: string): LayerIndex {
  using fd = openStored(path.join(dir, 'index'));
  const bytes = Buffer.allocUnsafeSlow(fstat(fd).size);
  const size = preadFull(fd, bytes, 0);
  return LayerIndex.decode(bytes.subarray(0, size));
}

/** A complete layer directory, open for reading. Owns its descriptors (unless a cache is given). */
export class LayerReader implements Disposable {
  readonly id: LayerId;
  readonly dir: string;
  readonly index: LayerIndex;
  readonly #fds: FdCache;
  readonly #ownsFds: boolean;

  private constructor(dir: string, id: LayerId, fds: FdCache | undefined) {
    this.id = id;
    this.dir = dir;
    this.index = readIndex(dir);
    this.#fds = fds ?? new FdCache(LAYER_FDS_MAX);
    this.#ownsFds = fds === undefined;
  }

  /** Reads the index. Throws UserError TSB_STORE if the layer is missing or damaged. */
  static open(dir: string, id: LayerId, fds?: FdCache): LayerReader {
    return new LayerReader(dir, id, fds);
  }

  /** The file that a content of this layer lies in, and where. Borrowed: use it at once. */
  locate(ref: ContentRef): { fd: Fd; start: number } {
    const key = ref.kind === 'pack' ? 'pack' : `data/${ref.number}`;
    const fd = this.#fds.get(`${this.id}/${key}`, () => openStored(path.join(this.dir, key)));
    return { fd, start: ref.kind === 'pack' ? ref.offset : 0 };
  }

  /** What a data file takes on the disk, in 512-byte units; undefined: it is missing. */
  blocks({ number }: ContentRef & { kind: 'file' }): number | undefined {
    return fstatat(undefined, path.join(this.dir, `data/${number}`))?.blocks;
  }

  /**
   * Reads from `position` of a content of `size` bytes in this layer; fills `into` as far as the
   * content goes and returns the number of bytes.
   */
  pread(ref: ContentRef, size: number, into: Buffer, position: number): number {
    const length = Math.min(into.length, size - position);
    if (length <= 0) return 0;
    const { fd, start } = this.locate(ref);
    return preadFull(fd, into.subarray(0, length), start + position);
  }

  [Symbol.dispose](): void {
    if (this.#ownsFds) this.#fds[Symbol.dispose]();
  }
}

/** Layers by id, opened when first needed; their descriptors share one bounded cache. */
export class LayerSet implements Disposable {
  readonly #dirOf: LayerDirOf;
  readonly #readers = new Map<LayerId, LayerReader>();
  readonly #fds = new FdCache(LAYER_FDS_MAX);

  constructor(dirOf: LayerDirOf) {
    this.#dirOf = dirOf;
  }

  /** The reader of a layer: borrowed. */
  open(id: LayerId): LayerReader {
    let reader = this.#readers.get(id);
    if (reader === undefined) {
      reader = LayerReader.open(this.#dirOf(id), id, this.#fds);
      this.#readers.set(id, reader);
    }
    return reader;
  }

  [Symbol.dispose](): void {
    this.#readers.clear();
    this.#fds[Symbol.dispose]();
  }
}

/** A content to read: `home` is the layer whose index has the reference. */
export interface ContentSource {
  readonly layers: LayerSet;
  readonly home: LayerId;
  readonly ref: ContentRef | undefined;
  readonly size: number;
}

/** The bytes of a file, chunk by chunk. Throws UserError TSB_STORE if the store has fewer. */
// eslint-disable-next-line @typescript-eslint/require-await -- consumers pull at their own pace
export async function* openContent(source: ContentSource): AsyncGenerator<Buffer> {
  const { layers, home, ref, size } = source;
  if (ref === undefined) return;
  for (let position = 0; position < size;) {
    const chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, size - position));
    const count = layers.open(ref.layer ?? home).pread(ref, size, chunk, position);
    if (count < chunk.length) {
      throw new UserError(
        'TSB_STORE',
        `Cannot read a file of layer ${home}: found ${position + count} bytes, want ${size}`,
        { hint: STORE_DAMAGED_HINT },
      );
    }
    yield chunk;
    position += count;
  }
}
