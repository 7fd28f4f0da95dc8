import type { LowerRef } from './lower.js';
import type { Node } from './node.js';

const PAGE_SIZE = 128;

/** Some nodes of one stretch of numbers. */
interface Page {
  readonly nodes: (Node | undefined)[];
  count: number;
}

/** Nodes by number. Memory follows the nodes that are there, not the greatest number. */
export class NodeTable {
  readonly #pages: (Page | undefined)[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(number: number): Node | undefined {
    return this.#pages[Math.floor(number / PAGE_SIZE)]?.nodes[number % PAGE_SIZE];
  }

  /** The number must be free. */
  add(node: Node): void {
    const index = Math.floor(node.ino / PAGE_SIZE);
    while (this.#pages.length <= index) this.#pages.push(undefined);
    const page = (this.#pages[index] ??= {
      nodes: Array.from<Node | undefined>({ length: PAGE_SIZE }),
      count: 0,
    });
    page.nodes[node.ino % PAGE_SIZE] = node;
    page.count += 1;
    this.#size += 1;
  }

  delete(number: number): void {
    const index = Math.floor(number / PAGE_SIZE);
    const page = this.#pages[index];
    if (page?.nodes[number % PAGE_SIZE] === undefined) return;
    page.nodes[number % PAGE_SIZE] = undefined;
    page.count -= 1;
    this.#size -= 1;
    if (page.count === 0) this.#pages[index] = undefined;
  }

  /** All of them; those found may be deleted meanwhile. */
  *[Symbol.iterator](): Generator<Node> {
    for (const page of this.#pages) {
      for (const node of page?.nodes ?? []) if (node !== undefined) yield node;
    }
  }
}

/** Handed out at once for a layer that does not know how many inodes it has. */
const BLOCK_SIZE = 1024;
/** The root's: FUSE_ROOT_ID. */
export const ROOT_NUMBER = 1;

/**
 * Inode numbers. Those of lower inodes are a function of layer and handle, so a node that was
 * dropped comes back with its number; new nodes are numbered behind them, and no number is given
 * twice. They stay as small as they can: some programs know 32 bits only.
 */
export class NodeNumbers {
  #next = ROOT_NUMBER + 1;
  /** By layer: the first number, or those of blocks of handles. */
  readonly #bases: (number | (number | undefined)[])[];

  /** `counts`: how many handles each layer has; undefined: not known. */
  constructor(counts: readonly (number | undefined)[]) {
    this.#bases = counts.map((count) => (count === undefined ? [] : this.#take(count)));
  }

  #take(count: number): number {
    const first = this.#next;
    this.#next += count;
    return first;
  }

  /** The number of a lower inode. */
  of({ layer, handle }: LowerRef): number {
    const base = this.#bases[layer.position] ?? 0;
    if (typeof base === 'number') return base + handle;
    const block = Math.floor(handle / BLOCK_SIZE);
    return (base[block] ??= this.#take(BLOCK_SIZE)) + (handle % BLOCK_SIZE);
  }

  /** A number for a new node. */
  fresh(): number {
    return this.#take(1);
  }
}
