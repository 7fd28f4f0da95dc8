import { UserError } from '../util/errors.js';
import type { Digest } from './digest.js';
import { Digester } from './digest.js';

/** What bytes must be. */
export interface Expected {
  readonly digest: Digest;
  readonly size: number;
}

/**
 * Passes `stream` on and checks it: more bytes than `size` fail at once, a short stream or
 * another digest at the end (UserError TSB_DIGEST_MISMATCH). INVARIANT: a consumer that was not
 * thrown at has seen exactly the expected bytes; it must not publish them before the end.
 */
export async function* verified(
  stream: AsyncIterable<Uint8Array>,
  expected: Expected,
  what: string,
): AsyncGenerator<Buffer, void, undefined> {
  const digester = new Digester();
  for await (const chunk of stream) {
    digester.update(chunk);
    if (digester.size > expected.size) throw mismatch(what, 'more', expected);
    yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
  }
  if (digester.size !== expected.size) throw mismatch(what, String(digester.size), expected);
  const digest = digester.digest();
  if (digest !== expected.digest) throw digestMismatch(what, digest, expected.digest);
}

/** Checks bytes that are in memory, as {@link verified} does. */
export function verifyBytes(bytes: Uint8Array, expected: Expected, what: string): void {
  if (bytes.length !== expected.size) throw mismatch(what, String(bytes.length), expected);
  const digester = new Digester();
  digester.update(bytes);
  const digest = digester.digest();
  if (digest !== expected.digest) throw digestMismatch(what, digest, expected.digest);
}

function mismatch(what: string, found: string, expected: Expected): UserError {
  const message = `Cannot verify ${what}: ${found} bytes, want ${expected.size}`;
  return new UserError('TSB_DIGEST_MISMATCH', message);
}

function digestMismatch(what: string, found: Digest, want: Digest): UserError {
  return new UserError(
    'TSB_DIGEST_MISMATCH',
    `Cannot verify ${what}: digest ${found}, want ${want}`,
  );
}
