import { InternalError } from '../util/assert.js';
import { hasCode } from '../util/errors.js';
import { check, libc } from './libc.js';

/**
 * An owned file descriptor: whoever holds it closes it, once. Dispose never throws; `close()`
 * reports what close(2) says (ENOSPC and EIO of delayed writes on network file systems).
 */
export class Fd implements Disposable {
  #raw: number;

  private constructor(raw: number) {
    this.#raw = raw;
  }

  /** Takes over an open descriptor. */
  static adopt(raw: number): Fd {
    return new Fd(raw);
  }

  /** The number, for a system call. Throws after close or release. */
  get raw(): number {
    if (this.#raw < 0) throw new InternalError('Cannot use a file descriptor that was closed');
    return this.#raw;
  }

  /** Gives the number away: the caller closes it. */
  release(): number {
    const raw = this.raw;
    this.#raw = -1;
    return raw;
  }

  /** Idempotent. */
  close(): void {
    if (this.#raw < 0) return;
    const raw = this.#raw;
    this.#raw = -1;
    try {
      check(libc.close(raw), 'close');
    } catch (error) {
      // The descriptor is gone even so: Linux never keeps it open.
      if (!hasCode(error, 'EINTR')) throw error;
    }
  }

  [Symbol.dispose](): void {
    if (this.#raw < 0) return;
    libc.close(this.#raw);
    this.#raw = -1;
  }
}
