import type { ByteName } from '../util/byte-name.js';

/** Removed names that are kept before the arrays are rewritten. */
const GAPS_MAX = 64;

/**
 * The names of a directory in a stable order: every name has a cookie, greater than those of the
 * names before it, for as long as it exists; a name that is removed and made again gets a new
 * one. So a listing that is read in pieces shows what stays exactly once.
 */
export class Listing {
  /** Names by position; undefined where one was removed. */
  #names: (ByteName | undefined)[] = [];
  /** Their cookies, increasing. */
  #cookies: number[] = [];
  readonly #cookieOf = new Map<ByteName, number>();
  #next: number;

  constructor(firstCookie: number, names: Iterable<ByteName>) {
    this.#next = firstCookie;
    for (const name of names) this.add(name);
  }

  /** Appends a name; one that is listed keeps its place. */
  add(name: ByteName): void {
    if (this.#cookieOf.has(name)) return;
    this.#cookieOf.set(name, this.#next);
    this.#names.push(name);
    this.#cookies.push(this.#next);
    this.#next += 1;
  }

  remove(name: ByteName): void {
    const cookie = this.#cookieOf.get(name);
    if (cookie === undefined) return;
    this.#cookieOf.delete(name);
    this.#names[this.#find(cookie)] = undefined;
    const gaps = this.#names.length - this.#cookieOf.size;
    if (gaps > GAPS_MAX && gaps > this.#cookieOf.size) this.#compact();
  }

  /** Calls `visit` for the names behind `cookie` until it returns false. */
  visit(cookie: number, visit: (name: ByteName, cookie: number) => boolean): void {
    for (let i = this.#find(cookie + 1); i < this.#names.length; i++) {
      const name = this.#names[i];
      if (name !== undefined && !visit(name, this.#cookies[i] ?? 0)) return;
    }
  }

  /** The first position whose cookie is not less. */
  #find(cookie: number): number {
    let low = 0;
    let high = this.#cookies.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#cookies[middle] ?? Infinity) < cookie) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #compact(): void {
    this.#names = [...this.#cookieOf.keys()];
    this.#cookies = [...this.#cookieOf.values()];
  }
}
