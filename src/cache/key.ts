import { createHash, type Hash } from 'node:crypto';

/**
 * Version of everything that decides what a key means: the encoding below, and how the steps
 * are carried out. A change makes every record a miss.
 */
export const CACHE_FORMAT_VERSION = 3;

/** 64 lower-case hex digits: the identity of a step's result. */
export type CacheKey = string & { readonly __brand: 'CacheKey' };

/** What a key is made of. Undefined differs from the empty text and from the empty list. */
export type KeyValue = string | number | boolean | undefined | readonly KeyValue[];

/** The inputs of a step by name, in a fixed order. Names are for {@link explainMiss}. */
export type KeyParts = readonly (readonly [name: string, value: KeyValue])[];

/** The digests of a step's inputs by name: what a record keeps instead of the values. */
export type PartDigests = Readonly<Record<string, string>>;

const PENDING_LENGTH_MAX = 16 * 1024;

/**
 * SHA-256 over values. The encoding is injective: each value is a letter for its type, and its
 * length or count, before its bytes, so no two sequences of values give the same bytes.
 */
export class CanonicalHash {
  readonly #hash: Hash = createHash('sha256');
  /** Not hashed yet: a call for each value would cost more than the values. */
  #pending = '';

  add(value: KeyValue): this {
    if (value === undefined) {
      this.#pending += 'u';
    } else if (typeof value === 'string') {
      this.#pending += `s${Buffer.byteLength(value, 'utf8')}:${value}`;
    } else if (typeof value === 'number') {
      this.#pending += `n${value};`;
    } else if (typeof value === 'boolean') {
      this.#pending += value ? 't' : 'f';
    } else {
      this.#pending += `l${value.length}:`;
      for (const item of value) this.add(item);
    }
    if (this.#pending.length > PENDING_LENGTH_MAX) this.#flush();
    return this;
  }

  /** 64 lower-case hex digits. Ends the hash. */
  hex(): string {
    this.#flush();
    return this.#hash.digest('hex');
  }

  #flush(): void {
    this.#hash.update(this.#pending, 'utf8');
    this.#pending = '';
  }
}

/** The key of a step with these inputs. */
export function cacheKeyOf(parts: KeyParts): CacheKey {
  const hash = new CanonicalHash().add('tsbuild').add(CACHE_FORMAT_VERSION);
  for (const [name, value] of parts) hash.add(name).add(value);
  return hash.hex() as CacheKey;
}

const PART_DIGEST_DIGITS = 16;

/** Digests of the parts, one by one: enough to say which one changed, and no secret in clear. */
export function digestParts(parts: KeyParts): PartDigests {
  const digests: Record<string, string> = {};
  for (const [name, value] of parts) {
    digests[name] = new CanonicalHash().add(value).hex().slice(0, PART_DIGEST_DIGITS);
  }
  return digests;
}

/** `A=b` pairs in a canonical order: the order of declaration does not matter to a command. */
export function sortedPairs(env: Readonly<Record<string, string>>): string[] {
  return Object.entries(env)
    .map(([name, value]) => `${name}=${value}`)
    .sort();
}
