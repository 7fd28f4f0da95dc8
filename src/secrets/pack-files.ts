import type { LayerIndex, Row } from '../layer/index-codec.js';

const S_IFMT = 0o170000;
const S_IFREG = 0o100000;

interface PackFile {
  readonly row: Row;
  readonly start: number;
  readonly end: number;
}

/** Which files of a layer a part of its pack belongs to. */
export class PackFiles {
  /** By where they begin. */
  readonly #files: readonly PackFile[];

  constructor(index: LayerIndex) {
    const files: PackFile[] = [];
    for (let row = 0; row < index.inodeCount; row++) {
      if ((index.mode(row) & S_IFMT) !== S_IFREG) continue;
      const ref = index.content(row);
      if (ref?.kind !== 'pack' || ref.layer !== undefined) continue;
      files.push({ row, start: ref.offset, end: ref.offset + index.size(row) });
    }
    this.#files = files.sort((a, b) => a.start - b.start);
  }

  /**
   * The files that have all of these bytes: none where two files meet, or what was there has been
   * removed; several where they share a content.
   */
  containing(start: number, end: number): Row[] {
    const last = this.#lastUpTo(start);
    const begin = this.#files[last]?.start;
    const rows: Row[] = [];
    // INVARIANT: contents in a pack do not overlap, unless they are the same.
    for (let at = last; at >= 0 && this.#files[at]?.start === begin; at--) {
      const file = this.#files[at];
      if (file !== undefined && file.end >= end) rows.push(file.row);
    }
    return rows;
  }

  /** The last file that begins at `offset` or before it; -1: none. */
  #lastUpTo(offset: number): number {
    let low = 0;
    let high = this.#files.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#files[middle]?.start ?? 0) <= offset) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}
