import type { ByteName } from '../util/byte-name.js';
import { Listing } from './listing.js';
import type { Directory } from './node.js';

/** Cookies of a listing: 1 and 2 are `.` and `..`. */
export const FIRST_COOKIE = 3;
/** Names in listings that can be made again. */
const NAMES_MAX = 65536;

/**
 * The listings of directories. One whose names are still those of its layers can be made again,
 * the same, so only the latest of those are kept; of others they are kept until the kernel has
 * forgotten the directory.
 */
export class Listings {
  /** Least recently used first. */
  readonly #again = new Map<Directory, number>();
  #names = 0;

  /** The stable listing of a directory; `names` gives its names in a fixed order. */
  of(dir: Directory, names: () => ByteName[]): Listing {
    const listing = (dir.listing ??= new Listing(FIRST_COOKIE, names()));
    dir.isListed = true;
    if (!dir.isEdited) this.#use(dir, listing.size);
    return listing;
  }

  #use(dir: Directory, size: number): void {
    this.#take(dir);
    this.#again.set(dir, size);
    this.#names += size;
    for (const oldest of this.#again.keys()) {
      if (this.#names <= NAMES_MAX || oldest === dir) return;
      this.#take(oldest);
      oldest.listing = undefined;
    }
  }

  #take(dir: Directory): void {
    this.#names -= this.#again.get(dir) ?? 0;
    this.#again.delete(dir);
  }

  /** The names of a directory are going to change: somebody may be in the middle of them. */
  beforeEdit(dir: Directory, names: () => ByteName[]): void {
    if (dir.isEdited) return;
    dir.isEdited = true;
    this.#take(dir);
    if (dir.isListed) dir.listing ??= new Listing(FIRST_COOKIE, names());
  }

  /** Nobody is in the middle of a directory any more. */
  forget(dir: Directory): void {
    this.#take(dir);
    dir.listing = undefined;
    dir.isListed = false;
  }
}
