import fs from 'node:fs';
import path from 'node:path';

import { O_CLOEXEC, O_CREAT, O_DIRECTORY, O_EXCL, O_RDWR } from '../sys/constants.js';
import { unlinkat } from '../sys/directory.js';
import type { Fd } from '../sys/fd.js';
import { ftruncate, openat, preadFull, pwrite, syncfs, syncfsInThread } from '../sys/file.js';
import { assert } from '../util/assert.js';
import { UserError, hasCode } from '../util/errors.js';
import { encodeIndex, type DigestOf } from './index-codec.js';
import type { ContentRef, LayerDir } from './types.js';

/** Contents up to this size go to the pack. */
export const PACK_FILE_BYTES_MAX: number = 256 * 1024;
/** Bytes that wait in memory before they are appended to the pack. */
const STAGE_BYTES = 1024 * 1024;
const ZEROS = Buffer.alloc(STAGE_BYTES);

/** A reference to a data file. */
export type FileRef = ContentRef & { kind: 'file' };

/** What `finish` may be told. */
export interface FinishOptions {
  readonly digestOf?: DigestOf;
  /** False leaves syncing to somebody else. */
  readonly sync?: boolean;
}

/**
 * A layer directory in the making. Disposing it before `finish` has succeeded removes the
 * directory. Failed writes throw FsError (ENOSPC, EDQUOT, …).
 */
export class LayerWriter implements Disposable {
  readonly dir: string;
  readonly #dirFd: Fd;
  readonly #pack: Fd;
  readonly #stage = Buffer.allocUnsafeSlow(STAGE_BYTES);
  #staged = 0;
  /** Bytes of the pack that are on disk. */
  #written = 0;
  #nextFile = 1;
  #state: 'open' | 'finished' | 'disposed' = 'open';

  private constructor(dir: string, dirFd: Fd, pack: Fd) {
    this.dir = dir;
    this.#dirFd = dirFd;
    this.#pack = pack;
  }

  /** Makes `dir` (it may exist, empty) with an empty `pack` and `data/`. */
  static create(dir: string): LayerWriter {
    try {
      fs.mkdirSync(dir, { mode: 0o700 });
    } catch (error) {
      if (!hasCode(error, 'EEXIST')) throw error;
    }
    fs.mkdirSync(path.join(dir, 'data'), { mode: 0o700 });
    const dirFd = openat(undefined, dir, O_DIRECTORY | O_CLOEXEC);
    try {
      const pack = openat(dirFd, 'pack', O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600);
      return new LayerWriter(dir, dirFd, pack);
    } catch (error) {
      dirFd.close();
      throw error;
    }
  }

  /** Size of the pack so far. */
  get packBytes(): number {
    return this.#written + this.#staged;
  }

  /** Appends a content to the pack. The bytes are copied. */
  appendPack(bytes: Buffer): ContentRef & { kind: 'pack' } {
    assert(this.#state === 'open', 'the layer writer is open');
    const offset = this.packBytes;
    if (this.#staged + bytes.length > STAGE_BYTES) this.flushPack();
    if (bytes.length >= STAGE_BYTES) {
      pwrite(this.#pack, bytes, this.#written);
      this.#written += bytes.length;
    } else {
      bytes.copy(this.#stage, this.#staged);
      this.#staged += bytes.length;
    }
    return { kind: 'pack', layer: undefined, offset };
  }

  /** Writes what is still in memory. */
  flushPack(): void {
    if (this.#staged === 0) return;
    pwrite(this.#pack, this.#stage.subarray(0, this.#staged), this.#written);
    this.#written += this.#staged;
    this.#staged = 0;
  }

  /** The pack, with everything written that was appended: borrowed, readable. */
  packFd(): Fd {
    this.flushPack();
    return this.#pack;
  }

  /** Reads a range of the pack; returns the number of bytes. */
  preadPack(into: Buffer, offset: number): number {
    return preadFull(this.packFd(), into, offset);
  }

  /** Makes an empty data file. The caller owns the descriptor (O_RDWR). */
  createDataFile(): { ref: FileRef; fd: Fd } {
    assert(this.#state === 'open', 'the layer writer is open');
    const number = this.#nextFile;
    const flags = O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC;
    const fd = openat(this.#dirFd, `data/${number}`, flags, 0o600);
    this.#nextFile += 1;
    return { ref: { kind: 'file', layer: undefined, number }, fd };
  }

  /** Opens a data file of this layer again (O_RDWR). */
  openDataFile(number: number): Fd {
    return openat(this.#dirFd, `data/${number}`, O_RDWR | O_CLOEXEC);
  }

  /** Removes a data file that nothing refers to any more. */
  removeDataFile(number: number): void {
    unlinkat(this.#dirFd, `data/${number}`);
  }

  /**
   * Stores a content of exactly `size` bytes; undefined for an empty one. Long runs of zeros in
   * large contents become holes. Throws UserError TSB_LAYER_INVALID if the size is another.
   */
  async writeContent(
    size: number,
    chunks: AsyncIterable<Buffer> | Iterable<Buffer>,
  ): Promise<ContentRef | undefined> {
    if (size > PACK_FILE_BYTES_MAX) return this.#writeFile(size, chunks);
    const parts: Buffer[] = [];
    let count = 0;
    for await (const chunk of chunks) {
      count += chunk.length;
      checkSize(count, size, 'partial');
      // The stream may use its buffer again.
      parts.push(Buffer.from(chunk));
    }
    checkSize(count, size, 'whole');
    if (size === 0) return undefined;
    return this.appendPack(parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts));
  }

  async #writeFile(
    size: number,
    chunks: AsyncIterable<Buffer> | Iterable<Buffer>,
  ): Promise<ContentRef> {
    const { ref, fd: created } = this.createDataFile();
    using fd = created;
    let count = 0;
    for await (const chunk of chunks) {
      checkSize(count + chunk.length, size, 'partial');
      if (!isZero(chunk)) pwrite(fd, chunk, count);
      count += chunk.length;
    }
    checkSize(count, size, 'whole');
    // A hole at the end is not there yet.
    ftruncate(fd, size);
    return ref;
  }

  /**
   * Writes the index: the directory is then a complete layer, on disk unless `sync` is false, and
   * no longer removed at disposal.
   */
  finish(root: LayerDir, options: FinishOptions = {}): void {
    assert(this.#state === 'open', 'the layer writer is open');
    this.flushPack();
    const bytes = encodeIndex(root, options.digestOf);
    using fd = openat(this.#dirFd, 'index', O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600);
    pwrite(fd, bytes, 0);
    if (options.sync !== false) syncfs(this.#dirFd);
    this.#state = 'finished';
  }

  /** Like {@link finish}, but syncs in a thread, so that this one can be interrupted meanwhile. */
  async finishInThread(root: LayerDir): Promise<void> {
    this.finish(root, { sync: false });
    await this.syncInThread();
  }

  /** Waits until a layer that was finished without `sync` is on the disk. */
  async syncInThread(): Promise<void> {
    await syncfsInThread(this.#dirFd);
  }

  [Symbol.dispose](): void {
    if (this.#state === 'open') {
      this.#state = 'disposed';
      fs.rmSync(this.dir, { recursive: true, force: true });
    }
    this.#pack.close();
    this.#dirFd.close();
  }
}

function checkSize(count: number, size: number, what: 'partial' | 'whole'): void {
  if (what === 'partial' ? count <= size : count === size) return;
  throw new UserError(
    'TSB_LAYER_INVALID',
    `Cannot store a file: found ${what === 'partial' ? 'at least ' : ''}${count} bytes, want ${size}`,
  );
}

/** Whether a chunk is worth a hole: a page or more, all zero. */
function isZero(chunk: Buffer): boolean {
  if (chunk.length < 4096 || chunk.length > ZEROS.length || chunk[0] !== 0) return false;
  return chunk.equals(ZEROS.subarray(0, chunk.length));
}
