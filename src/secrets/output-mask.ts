import type { Pattern } from './patterns.js';

/** What is hidden. Not empty. */
export type MaskedBytes = Pick<Pattern, 'bytes'>;

/** What stands for a secret. */
export const MASK = '***';
const MASK_BYTES = Buffer.from(MASK);

/**
 * Replaces secrets in a stream, wherever its chunks end. Of secrets that begin at one place the
 * longest counts. Only what may be the beginning of a secret waits for the next chunk.
 */
export class OutputMask {
  readonly #patterns: readonly Buffer[];
  #held: Buffer = Buffer.alloc(0);

  constructor(patterns: readonly MaskedBytes[]) {
    this.#patterns = patterns.map(({ bytes }) => bytes).toSorted((a, b) => b.length - a.length);
  }

  /** What can be shown after this chunk; it may be empty. */
  push(chunk: Buffer): Buffer {
    const data = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    const { shown, end } = this.#replace(data, this.#holdFrom(data));
    // The chunk may be used again.
    this.#held = Buffer.from(data.subarray(end));
    return shown;
  }

  /** The rest, when the stream has ended. */
  end(): Buffer {
    const { shown } = this.#replace(this.#held, this.#held.length);
    this.#held = Buffer.alloc(0);
    return shown;
  }

  /** Shows what begins before `limit`; `end`: where that ends. */
  #replace(data: Buffer, limit: number): { shown: Buffer; end: number } {
    const parts: Buffer[] = [];
    const next = this.#patterns.map((pattern) => data.indexOf(pattern));
    let at = 0;
    for (;;) {
      let first = -1;
      for (const [index, pattern] of this.#patterns.entries()) {
        if ((next[index] ?? -1) >= 0 && (next[index] ?? 0) < at) {
          next[index] = data.indexOf(pattern, at);
        }
        const found = next[index] ?? -1;
        const best = first < 0 ? Infinity : (next[first] ?? Infinity);
        // The longer ones come first.
        if (found >= 0 && found < best) first = index;
      }
      const start = first < 0 ? data.length : (next[first] ?? 0);
      if (start >= limit) break;
      parts.push(data.subarray(at, start), MASK_BYTES);
      at = start + (this.#patterns[first]?.length ?? 0);
    }
    const end = Math.max(at, limit);
    if (parts.length === 0) return { shown: data.subarray(0, end), end };
    return { shown: Buffer.concat([...parts, data.subarray(at, end)]), end };
  }

  /** The first place from which on everything is the beginning of a pattern, and not all of it. */
  #holdFrom(data: Buffer): number {
    let from = data.length;
    for (const pattern of this.#patterns) {
      const begin = pattern.subarray(0, 1);
      for (
        let at = data.indexOf(begin, Math.max(0, data.length - pattern.length + 1));
        at >= 0 && at < from;
        at = data.indexOf(begin, at + 1)
      ) {
        if (data.compare(pattern, 0, data.length - at, at) === 0) from = at;
      }
    }
    return from;
  }
}

/** Bytes whose secrets are replaced. */
export function maskBytes(bytes: Buffer, patterns: readonly MaskedBytes[]): Buffer {
  const mask = new OutputMask(patterns);
  return Buffer.concat([mask.push(bytes), mask.end()]);
}

/** A text whose secrets are replaced. */
export function maskText(text: string, patterns: readonly MaskedBytes[]): string {
  return maskBytes(Buffer.from(text), patterns).toString();
}
