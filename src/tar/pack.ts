import type { LayerDir } from '../layer/types.js';
import { UserError } from '../util/errors.js';
import { padded } from './entry.js';
import { BLOCK } from './header.js';
import { packHeaders, type FileNode, type PackHeaderOptions } from './pack-headers.js';

/** How to pack a layer. */
export interface PackOptions extends PackHeaderOptions {
  /** A file's bytes, exactly `size` of them. */
  readonly contentOf: (file: FileNode) => AsyncIterable<Buffer>;
  readonly signal?: AbortSignal;
}

/** Two blocks of zeros end an archive. */
export const END_BYTES: number = 2 * BLOCK;
/** Bytes per chunk: hashing and compressing cost per call. */
export const PACK_CHUNK_BYTES: number = 1024 * 1024;

/** The error for a store that has more or less of a file than its index says. */
export function wrongSize(found: number, want: number): UserError {
  return new UserError(
    'TSB_STORE',
    `Cannot pack layer: found ${found} bytes of a file, want ${want}`,
  );
}

/** Collects small pieces into chunks; a big piece passes through as it is. */
class Chunks {
  #buffer = Buffer.allocUnsafe(PACK_CHUNK_BYTES);
  #used = 0;

  /** What must be handed out before `bytes` fit; then `bytes` are in, or handed out themselves. */
  *put(bytes: Buffer): Generator<Buffer> {
    if (this.#used + bytes.length > PACK_CHUNK_BYTES) yield* this.take();
    if (bytes.length >= PACK_CHUNK_BYTES) {
      yield bytes;
      return;
    }
    bytes.copy(this.#buffer, this.#used);
    this.#used += bytes.length;
  }

  /** Hands out what is left. The consumer owns it. */
  *take(): Generator<Buffer> {
    if (this.#used === 0) return;
    yield this.#buffer.subarray(0, this.#used);
    this.#buffer = Buffer.allocUnsafe(PACK_CHUNK_BYTES);
    this.#used = 0;
  }
}

const ZEROS = Buffer.alloc(END_BYTES);

/**
 * The tar of a layer: always the same bytes for the same tree and contents. Chunks of about
 * 1 MiB, made as they are asked for.
 */
export async function* packLayer(
  root: LayerDir,
  options: PackOptions,
): AsyncGenerator<Buffer, void, undefined> {
  const chunks = new Chunks();
  for (const { head, file } of packHeaders(root, options)) {
    options.signal?.throwIfAborted();
    yield* chunks.put(head);
    if (file === undefined) continue;
    let size = 0;
    for await (const bytes of options.contentOf(file)) {
      size += bytes.length;
      yield* chunks.put(bytes);
    }
    if (size !== file.size) throw wrongSize(size, file.size);
    yield* chunks.put(ZEROS.subarray(0, padded(size) - size));
  }
  yield* chunks.put(ZEROS);
  yield* chunks.take();
}
