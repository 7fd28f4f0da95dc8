import { hashName } from '../layer/name-hash.js';
import type { ByteName } from '../util/byte-name.js';
import type { LowerRef } from './lower.js';

/** Sources that are asked one by one. */
export const SOURCES_PLAIN_MAX = 2;
/** To ask a source for a name costs as much as taking so many names into the index. */
const NAMES_PER_PROBE = 8;
const NO_ENTRY = -1;

/**
 * Which of many merged directories have a name, at the cost of asking one. Knows the names of all
 * sources but the largest, which is always asked; it is built when asking all of them one by one
 * has cost as much. Where a layer may redirect to other names, it knows all sources, and what any
 * of them has is looked for in all.
 */
export class SourceIndex {
  readonly #sources: readonly LowerRef[];
  readonly #redirects: boolean;
  /** The source that is always asked; -1: none. */
  readonly #largest: number;
  /** It by itself. */
  readonly #largestOnly: readonly LowerRef[];
  /** Names of the others. */
  readonly #count: number;
  #probes = 0;
  /** By the low bits of a hash: the first entry. Undefined: not built yet. */
  #heads: Int32Array | undefined;
  /** By entry: the next one of the same bits, sources top first; the hash; the source. */
  #next = new Int32Array(0);
  #hashes = new Uint32Array(0);
  #owners = new Uint16Array(0);

  constructor(sources: readonly LowerRef[]) {
    this.#sources = sources;
    const sizes = sources.map(({ layer, handle }) => layer.size(handle));
    this.#redirects = sources.some(({ layer }) => layer.redirect !== undefined);
    this.#largest = this.#redirects ? -1 : sizes.indexOf(Math.max(...sizes));
    this.#largestOnly = sources.filter((_, source) => source === this.#largest);
    this.#count = sizes.reduce((sum, size) => sum + size, 0) - (sizes[this.#largest] ?? 0);
  }

  /** The sources that may have a name, top first. */
  sourcesOf(name: ByteName): readonly LowerRef[] {
    if (this.#heads === undefined) {
      this.#probes += this.#sources.length;
      if (this.#probes * NAMES_PER_PROBE < this.#count) return this.#sources;
      this.#heads = this.#build();
    }
    const hash = hashName(name);
    let entry = this.#heads[hash & (this.#heads.length - 1)] ?? NO_ENTRY;
    while (entry !== NO_ENTRY && this.#hashes[entry] !== hash) {
      entry = this.#next[entry] ?? NO_ENTRY;
    }
    if (entry === NO_ENTRY) return this.#largestOnly;
    return this.#redirects ? this.#sources : this.#collect(entry, hash);
  }

  /** The sources of an entry and of those behind it with the same hash, and the largest. */
  #collect(first: number, hash: number): readonly LowerRef[] {
    const found: LowerRef[] = [];
    let last = -1;
    const add = (source: number): void => {
      const ref = this.#sources[source];
      if (source !== last && ref !== undefined) found.push(ref);
      last = source;
    };
    for (let entry = first; entry !== NO_ENTRY; entry = this.#next[entry] ?? NO_ENTRY) {
      if (this.#hashes[entry] !== hash) continue;
      const source = this.#owners[entry] ?? 0;
      if (last < this.#largest && source > this.#largest) add(this.#largest);
      add(source);
    }
    if (last < this.#largest) add(this.#largest);
    return found;
  }

  #build(): Int32Array {
    const heads = new Int32Array(2 ** Math.ceil(Math.log2(this.#count + 1))).fill(NO_ENTRY);
    this.#next = new Int32Array(this.#count);
    this.#hashes = new Uint32Array(this.#count);
    this.#owners = new Uint16Array(this.#count);
    let entry = 0;
    // Entries are put first: the top source is to be found first.
    for (let source = this.#sources.length - 1; source >= 0; source--) {
      const ref = this.#sources[source];
      if (source === this.#largest || ref === undefined) continue;
      for (const hash of ref.layer.nameHashes(ref.handle)) {
        const bucket = hash & (heads.length - 1);
        this.#next[entry] = heads[bucket] ?? NO_ENTRY;
        this.#hashes[entry] = hash;
        this.#owners[entry] = source;
        heads[bucket] = entry++;
      }
    }
    return heads;
  }
}
