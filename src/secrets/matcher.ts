import { assert } from '../util/assert.js';

/** Bytes at the beginning of each needle that the search compares. */
const WINDOW_BYTES_MAX = 24;
const PAIRS = 0x1_0000;

/** A needle in the searched bytes. */
export interface Match {
  /** Where it begins. */
  readonly at: number;
  /** Of the needle, in the order in which they were given. */
  readonly index: number;
}

/**
 * Finds many needles in one pass, in the way of Wu and Manber: the last two bytes of a window as
 * long as the shortest needle tell how far it may jump. Where bytes have little to do with the
 * needles, it looks at one in `window - 1`.
 */
export class Matcher {
  readonly #needles: readonly Buffer[];
  readonly #window: number;
  readonly #jumps: Uint8Array;
  /** By the last pair of the window: the needles that it may be the window of. */
  readonly #ends = new Map<number, number[]>();

  /** Needles of two bytes or more. */
  constructor(needles: readonly Buffer[]) {
    this.#needles = needles;
    const shortest = needles.reduce((least, { length }) => Math.min(least, length), Infinity);
    assert(shortest >= 2, 'needles have two bytes or more');
    const window = Math.min(shortest, WINDOW_BYTES_MAX);
    this.#window = window;
    this.#jumps = new Uint8Array(PAIRS).fill(window - 1);
    for (const [index, needle] of needles.entries()) {
      for (let last = 1; last < window; last++) {
        const pair = needle.readUInt16BE(last - 1);
        this.#jumps[pair] = Math.min(this.#jumps[pair] ?? 0, window - 1 - last);
      }
      const end = needle.readUInt16BE(window - 2);
      this.#ends.set(end, [...(this.#ends.get(end) ?? []), index]);
    }
  }

  /** The length of the longest needle. */
  get longest(): number {
    return this.#needles.reduce((most, { length }) => Math.max(most, length), 0);
  }

  /** Calls `found` for every needle that lies in `bytes`, by where it begins. */
  search(bytes: Buffer, found: (match: Match) => void): void {
    const jumps = this.#jumps;
    const { length } = bytes;
    let last = this.#window - 1;
    while (last < length) {
      // `last` is in bounds and 1 or more, and each pair has a jump.
      const jump = jumps[((bytes[last - 1] as number) << 8) | (bytes[last] as number)] as number;
      if (jump === 0) {
        this.#compare(bytes, last - this.#window + 1, found);
        last += 1;
      } else {
        last += jump;
      }
    }
  }

  #compare(bytes: Buffer, at: number, found: (match: Match) => void): void {
    const candidates = this.#ends.get(bytes.readUInt16BE(at + this.#window - 2)) ?? [];
    for (const index of candidates) {
      const needle = this.#needles[index];
      if (needle === undefined || at + needle.length > bytes.length) continue;
      if (bytes.compare(needle, 0, needle.length, at, at + needle.length) === 0) {
        found({ at, index });
      }
    }
  }
}
