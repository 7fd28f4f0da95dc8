import type { ByteName } from '../util/byte-name.js';

/** Removed names that are kept before the arrays are rewritten. */
const GAPS_MAX = 64;

/**
 * The names of a directory in a stable order: every name has a cookie, greater than those of the
 * names before it, for as long as it exists. So a listing that is read in pieces shows what stays
 * exactly once, and what is renamed within the directory, too. A name that was removed lately gets
 * its place back: who replaces or renames what it reads comes to an end.
 */
export class Listing {
  /** Names by position; undefined where one was removed. */
  #names: (ByteName | undefined)[] = [];
  /** Their cookies, increasing. */
  #cookies: number[] = [];
  readonly #cookieOf = new Map<ByteName, number>();
  /** Cookies of removed names, until the arrays are rewritten. */
  readonly #removed = new Map<ByteName, number>();
  #next: number;

  constructor(firstCookie: number, names: Iterable<ByteName>) {
    this.#next = firstCookie;
    for (const name of names) this.add(name);
  }

  /** Number of names. */
  get size(): number {
    return this.#cookieOf.size;
  }

  /** Adds a name, at its former place or the end; one that is listed keeps its place. */
  add(name: ByteName): void {
    if (this.#cookieOf.has(name)) return;
    const former = this.#removed.get(name);
    if (former !== undefined) {
      this.#put(name, former);
      return;
    }
    this.#cookieOf.set(name, this.#next);
    this.#names.push(name);
    this.#cookies.push(this.#next);
    this.#next += 1;
  }

  remove(name: ByteName): void {
    const cookie = this.#cookieOf.get(name);
    if (cookie === undefined) return;
    this.#cookieOf.delete(name);
    this.#removed.set(name, cookie);
    this.#names[this.#find(cookie)] = undefined;
    const gaps = this.#names.length - this.#cookieOf.size;
    if (gaps > GAPS_MAX && gaps > this.#cookieOf.size) this.#compact();
  }

  /** A name becomes another one, which is not listed, in its place. */
  rename(name: ByteName, newName: ByteName): void {
    const cookie = this.#cookieOf.get(name);
    if (cookie === undefined || this.#cookieOf.has(newName)) return;
    this.#cookieOf.delete(name);
    this.#put(newName, cookie);
  }

  #put(name: ByteName, cookie: number): void {
    this.#removed.delete(name);
    this.#cookieOf.set(name, cookie);
    this.#names[this.#find(cookie)] = name;
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
    const entries = [...this.#cookieOf].sort(([, a], [, b]) => a - b);
    this.#names = entries.map(([name]) => name);
    this.#cookies = entries.map(([, cookie]) => cookie);
    this.#removed.clear();
  }
}
