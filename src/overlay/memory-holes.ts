import type { Node } from './node.js';

/** What a hole is made of: a block of a file system, a page of memory. */
export const BLOCK_BYTES = 4096;
const UNITS_PER_BLOCK = BLOCK_BYTES / 512;

/**
 * Which blocks of contents in memory are holes: their bytes are zero, and were never written or
 * given back. A content without holes costs nothing.
 */
export class MemoryHoles {
  readonly #holes = new WeakMap<Node, Set<number>>();

  /** The bytes from `start` to `end` become a hole, as far as they are whole blocks. */
  add(node: Node, start: number, end: number): void {
    const first = Math.ceil(start / BLOCK_BYTES);
    // The last block ends where the file does.
    const behind = end >= node.size ? blocksOf(end) : Math.floor(end / BLOCK_BYTES);
    if (first < behind) {
      const holes = this.#holes.get(node) ?? new Set();
      for (let block = first; block < behind; block++) holes.add(block);
      this.#holes.set(node, holes);
    }
    this.#measure(node);
  }

  /** The bytes from `start` to `end` are data. */
  remove(node: Node, start: number, end: number): void {
    const holes = this.#holes.get(node);
    if (holes === undefined) return;
    const first = Math.floor(start / BLOCK_BYTES);
    for (let block = first; block < blocksOf(end); block++) holes.delete(block);
    if (holes.size === 0) this.#holes.delete(node);
    this.#measure(node);
  }

  /** The content ends at the node's size. */
  cut(node: Node): void {
    const holes = this.#holes.get(node);
    if (holes === undefined) return;
    for (const block of holes) if (block >= blocksOf(node.size)) holes.delete(block);
    if (holes.size === 0) this.#holes.delete(node);
    this.#measure(node);
  }

  /** The content has left memory. */
  forget(node: Node): void {
    this.#holes.delete(node);
  }

  /** Where the next hole is, at `offset` or behind it; the end of the file counts as one. */
  nextHole(node: Node, offset: number): number {
    const holes = this.#holes.get(node);
    let block = Math.floor(offset / BLOCK_BYTES);
    if (holes?.has(block) === true) return offset;
    if (holes === undefined) return node.size;
    while (block < blocksOf(node.size) && !holes.has(block)) block += 1;
    return Math.min(block * BLOCK_BYTES, node.size);
  }

  /** Where the next data are, at `offset` or behind it; undefined: nowhere. */
  nextData(node: Node, offset: number): number | undefined {
    const holes = this.#holes.get(node);
    let block = Math.floor(offset / BLOCK_BYTES);
    if (holes?.has(block) !== true) return offset;
    while (holes.has(block)) block += 1;
    return block < blocksOf(node.size) ? block * BLOCK_BYTES : undefined;
  }

  #measure(node: Node): void {
    const holes = this.#holes.get(node)?.size;
    if (holes === undefined) node.allocated = undefined;
    // Some programs take a file of no blocks for one hole; the kernel may still hold its data.
    else node.allocated = Math.max(1, (blocksOf(node.size) - holes) * UNITS_PER_BLOCK);
  }
}

function blocksOf(size: number): number {
  return Math.ceil(size / BLOCK_BYTES);
}
