/**
 * The last bytes of a stream, by their offset in it: chunks are kept as they came, and dropped
 * once they lie before the offset that the reader still needs.
 */
export class ByteWindow {
  #chunks: { readonly start: number; readonly bytes: Buffer }[] = [];
  #end = 0;
  #keepFrom = 0;

  /** Bytes kept. */
  get size(): number {
    return Math.max(0, this.#end - this.#keepFrom);
  }

  /** Takes the next chunk of the stream, by reference. */
  push(bytes: Buffer): void {
    const start = this.#end;
    this.#end += bytes.length;
    if (this.#end > this.#keepFrom) this.#chunks.push({ start, bytes });
  }

  /** Forgets what lies before `offset`, which may be ahead of the stream. */
  keepFrom(offset: number): void {
    this.#keepFrom = offset;
    const first = this.#chunks.findIndex(({ start, bytes }) => start + bytes.length > offset);
    this.#chunks = first < 0 ? [] : this.#chunks.slice(first);
  }

  /** The bytes from offset `from` to `to`, as far as they are kept. Shared where in one chunk. */
  slice(from: number, to: number): Buffer {
    const parts: Buffer[] = [];
    for (const { start, bytes } of this.#chunks) {
      if (start + bytes.length <= from || start >= to) continue;
      parts.push(bytes.subarray(Math.max(0, from - start), Math.min(bytes.length, to - start)));
    }
    return parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts);
  }
}
