import { FsError } from '../../sys/errno.js';
import type { ByteName } from '../../util/byte-name.js';

const TWO_32 = 2 ** 32;

/**
 * Reads a request's fields in order. Reading past the end of the request is EIO (a broken
 * request), a u64 that is no safe integer is EOVERFLOW. Little-endian.
 */
export class Cursor {
  /** What the request was read into. */
  readonly buffer: Buffer;
  readonly #view: DataView;
  #at = 0;
  #end = 0;

  constructor(buffer: Buffer) {
    this.buffer = buffer;
    this.#view = new DataView(buffer.buffer, buffer.byteOffset, buffer.length);
  }

  /** Starts over at `start`; nothing is read from `end` on. */
  reset(start: number, end: number): void {
    this.#at = start;
    this.#end = Math.min(end, this.buffer.length);
  }

  /** Bytes left. */
  get remaining(): number {
    return this.#end - this.#at;
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2), true);
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  /** A u64 that must be a safe integer. */
  u64(): number {
    const at = this.#take(8);
    const value = this.#view.getUint32(at + 4, true) * TWO_32 + this.#view.getUint32(at, true);
    if (!Number.isSafeInteger(value)) throw new FsError('EOVERFLOW', 'fuse request');
    return value;
  }

  /** A size of a file or a place in one: `code` where it is negative or no safe integer. */
  filePosition(code: 'EFBIG' | 'ENXIO' = 'EFBIG'): number {
    const at = this.#take(8);
    const value = this.#view.getInt32(at + 4, true) * TWO_32 + this.#view.getUint32(at, true);
    if (value < 0 || !Number.isSafeInteger(value)) throw new FsError(code, 'fuse request');
    return value;
  }

  /** An s64 of seconds. One that is no safe integer is clamped: a time to keep is no error. */
  seconds(): number {
    const at = this.#take(8);
    const value = this.#view.getInt32(at + 4, true) * TWO_32 + this.#view.getUint32(at, true);
    return Math.max(Number.MIN_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, value));
  }

  /** Steps over padding and fields that nobody wants. */
  skip(bytes: number): void {
    this.#take(bytes);
  }

  /** The next `length` bytes: a view, as long as the request buffer is not reused. */
  bytes(length: number): Buffer {
    const at = this.#take(length);
    return this.buffer.subarray(at, at + length);
  }

  /** A NUL-terminated name that a directory entry can have, else EIO. */
  name(): ByteName {
    const name = this.lookupName();
    if (name === '.' || name === '..') throw badName();
    return name;
  }

  /** Like {@link name}; `.` and `..` too. */
  lookupName(): ByteName {
    const name = this.text();
    if (name === '' || name.includes('/')) throw badName();
    return name;
  }

  /** NUL-terminated bytes: the name of an attribute. */
  text(): ByteName {
    const start = this.#at;
    return this.buffer.toString('latin1', start, this.#terminator()) as ByteName;
  }

  /** The bytes of a NUL-terminated string: a copy. */
  cString(): Buffer {
    const start = this.#at;
    return Buffer.from(this.buffer.subarray(start, this.#terminator()));
  }

  /** Steps behind the next NUL; returns its position. */
  #terminator(): number {
    const end = this.buffer.indexOf(0, this.#at);
    if (end < 0 || end >= this.#end) throw truncated();
    this.#at = end + 1;
    return end;
  }

  #take(bytes: number): number {
    const at = this.#at;
    if (at + bytes > this.#end) throw truncated();
    this.#at = at + bytes;
    return at;
  }
}

function badName(): FsError {
  return new FsError('EIO', 'name in a fuse request');
}

function truncated(): FsError {
  return new FsError('EIO', 'truncated fuse request');
}
