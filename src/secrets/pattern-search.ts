import { Matcher } from './matcher.js';
import type { Pattern } from './patterns.js';

/** The needle of a long pattern is its beginning. */
const NEEDLE_BYTES_MAX = 32;
const CHUNK_BYTES = 1024 * 1024;
const COMPARED_BYTES = 64 * 1024;

/** Bytes that are read where they lie. */
export interface Source {
  readonly size: number;
  /** Fills `into` from `position` as far as there is something; returns the number of bytes. */
  read(into: Buffer, position: number): number;
  /** The next byte that is no hole, at `position` or behind it; undefined: there is none. */
  nextData(position: number): number | undefined;
  /** Where the data that `position` lies in ends. */
  nextHole(position: number): number;
}

/** A pattern in a source, from `start` to before `end`. */
export interface Hit {
  readonly pattern: Pattern;
  readonly start: number;
  readonly end: number;
}

/** A buffer as a source. */
export function sourceOf(bytes: Buffer): Source {
  return {
    size: bytes.length,
    read: (into, position) => bytes.copy(into, 0, position),
    nextData: (position) => (position < bytes.length ? position : undefined),
    nextHole: () => bytes.length,
  };
}

/** Looks for patterns. Reuses its buffers: one search at a time. */
export class PatternSearch {
  readonly #patterns: readonly Pattern[];
  readonly #matcher: Matcher;
  readonly #chunk: Buffer;
  readonly #compared = Buffer.allocUnsafeSlow(COMPARED_BYTES);

  /** One pattern at least. */
  constructor(patterns: readonly Pattern[]) {
    this.#patterns = patterns;
    this.#matcher = new Matcher(patterns.map(needleOf));
    this.#chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES + this.#matcher.longest);
  }

  /** Calls `found` for each place of each pattern; holes are not read. */
  search(source: Source, found: (hit: Hit) => void): void {
    for (let position = 0; position < source.size;) {
      const start = source.nextData(position);
      if (start === undefined || start >= source.size) return;
      const end = Math.min(source.nextHole(start), source.size);
      this.#searchRange(source, { start, end }, found);
      position = end;
    }
  }

  /** The secrets in a few bytes. */
  idsIn(bytes: Buffer): Set<string> {
    const ids = new Set<string>();
    this.search(sourceOf(bytes), ({ pattern }) => ids.add(pattern.id));
    return ids;
  }

  #searchRange(
    source: Source,
    { start, end }: { start: number; end: number },
    found: (hit: Hit) => void,
  ): void {
    const chunk = this.#chunk;
    const overlap = this.#matcher.longest - 1;
    let kept = 0;
    for (let at = start; at < end;) {
      const want = Math.min(CHUNK_BYTES, end - at);
      const count = source.read(chunk.subarray(kept, kept + want), at);
      if (count === 0) return;
      const filled = kept + count;
      const base = at - kept;
      this.#matcher.search(chunk.subarray(0, filled), (match) => {
        const pattern = this.#patterns[match.index];
        if (pattern === undefined) return;
        const start = base + match.at;
        const needle = needleOf(pattern).length;
        // It lies in what is left of the chunk before: it was found there.
        if (match.at + needle <= kept) return;
        const read = chunk.subarray(0, filled);
        const hitEnd = this.#endOf(pattern, source, { start, needle, chunk: read, base });
        if (hitEnd !== undefined) found({ pattern, start, end: hitEnd });
      });
      at += count;
      kept = Math.min(overlap, filled);
      chunk.copy(chunk, 0, filled - kept, filled);
    }
  }

  /**
   * Where a pattern ends whose needle lies at `start`; undefined: the rest is not there. `chunk`
   * is what was read around it: most false starts end there.
   */
  #endOf(
    { bytes, form }: Pattern,
    source: Source,
    { start, needle, chunk, base }: { start: number; needle: number; chunk: Buffer; base: number },
  ): number | undefined {
    let at = start + needle;
    let done = needle;
    let part = chunk.subarray(at - base);
    for (;;) {
      for (let i = 0; i < part.length && done < bytes.length; i++, at++) {
        const byte = part[i];
        if (byte === bytes[done]) done++;
        else if (form !== 'in Base64' || !isLineBreak(byte)) return undefined;
      }
      if (done === bytes.length) return at;
      part = this.#compared.subarray(0, source.read(this.#compared, at));
      if (part.length === 0) return undefined;
    }
  }
}

function needleOf({ bytes }: Pattern): Buffer {
  return bytes.subarray(0, NEEDLE_BYTES_MAX);
}

/** Or what a line may be indented with. */
function isLineBreak(byte: number | undefined): boolean {
  return byte === 0x0a || byte === 0x0d || byte === 0x20 || byte === 0x09;
}
