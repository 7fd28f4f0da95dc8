const SLAB_BYTES = 1024 * 1024;
/** Larger pieces get memory of their own. */
const PIECE_BYTES_MAX = 32 * 1024;

/**
 * Cuts small buffers from large ones: a buffer of its own for every small file costs more to make
 * and to collect than what is in it. A slab is freed when none of its pieces is in use.
 */
export class Slab {
  #bytes: Buffer = Buffer.alloc(0);
  #used = 0;

  /** A zeroed buffer. */
  take(size: number): Buffer {
    if (size > PIECE_BYTES_MAX) return Buffer.alloc(size);
    if (this.#used + size > this.#bytes.length) {
      this.#bytes = Buffer.alloc(SLAB_BYTES);
      this.#used = 0;
    }
    const piece = this.#bytes.subarray(this.#used, this.#used + size);
    this.#used += size;
    return piece;
  }
}
