import { createHash } from 'node:crypto';
import type { Hash } from 'node:crypto';
import { UserError } from '../util/errors.js';

/** The name of some bytes: `sha256:` and 64 lower-case hex digits. No other algorithm is taken. */
export type Digest = string & { readonly __brand: 'Digest' };

const DIGEST = /^sha256:[0-9a-f]{64}$/;
/** The OCI grammar of digests: what is one at all, though maybe of another algorithm. */
const ANY_DIGEST = /^[a-z0-9]+(?:[+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$/;

/** Whether `text` is a well-formed sha256 digest. */
export function isDigest(text: string): text is Digest {
  return DIGEST.test(text);
}

/** Parses a digest; UserError TSB_IMAGE_INVALID, or TSB_UNSUPPORTED for another algorithm. */
export function parseDigest(text: string): Digest {
  if (isDigest(text)) return text;
  const quoted = JSON.stringify(text);
  if (ANY_DIGEST.test(text) && !text.startsWith('sha256:')) {
    const algorithm = text.slice(0, text.indexOf(':'));
    throw new UserError(
      'TSB_UNSUPPORTED',
      `Cannot use digest ${quoted}: algorithm ${algorithm}, want sha256`,
    );
  }
  throw new UserError(
    'TSB_IMAGE_INVALID',
    `Cannot parse digest ${quoted}: want sha256: and 64 lower-case hex digits`,
  );
}

/** The digest whose hash is the 64 lower-case hex digits `hex`. */
export function digestOfHex(hex: string): Digest {
  return parseDigest(`sha256:${hex}`);
}

/** The 64 hex digits of a digest: safe as a file name. */
export function digestHex(digest: Digest): string {
  return digest.slice('sha256:'.length);
}

/** The first 12 hex digits, for people. */
export function shortDigest(digest: Digest): string {
  return digestHex(digest).slice(0, 12);
}

/** The digest of bytes (strings as UTF-8). */
export function digestOf(bytes: Uint8Array | string): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}` as Digest;
}

/** Hashes and counts a stream of bytes. `digest()` may be called once, at the end. */
export class Digester {
  #hash: Hash = createHash('sha256');
  #size = 0;

  /** Bytes seen so far. */
  get size(): number {
    return this.#size;
  }

  update(chunk: Uint8Array): void {
    this.#hash.update(chunk);
    this.#size += chunk.length;
  }

  digest(): Digest {
    return `sha256:${this.#hash.digest('hex')}` as Digest;
  }
}
