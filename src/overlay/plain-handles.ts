import type { Handle } from './lower.js';

/** Inode numbers that lie close together get handles that do. */
const BLOCK_SIZE = 1024;
/** The device of inodes whose own number is taken. */
const NO_DEVICE = '';

/**
 * Handles of inodes of a file system: small numbers that are a function of device and inode
 * number, so an inode that was forgotten gets its handle again. 0 is the root's.
 */
export class PlainHandles {
  /** By device and block of inode numbers: the first handle. */
  readonly #blocks = new Map<string, Map<number, Handle>>();
  /** Of inodes whose device and number others have, too: by path. */
  readonly #others = new Map<string, Handle>();
  #next: Handle = BLOCK_SIZE;

  of(dev: string, ino: number): Handle {
    let blocks = this.#blocks.get(dev);
    if (blocks === undefined) {
      blocks = new Map();
      this.#blocks.set(dev, blocks);
    }
    const block = Math.floor(ino / BLOCK_SIZE);
    let first = blocks.get(block);
    if (first === undefined) {
      first = this.#next;
      this.#next += BLOCK_SIZE;
      blocks.set(block, first);
    }
    return first + (ino % BLOCK_SIZE);
  }

  /** A handle for a path whose inode number cannot be told from another inode's. */
  other(path: Buffer): Handle {
    const key = path.toString('latin1');
    const known = this.#others.get(key) ?? this.of(NO_DEVICE, this.#others.size);
    this.#others.set(key, known);
    return known;
  }
}
