import { DIRENT_BYTES, ENTRY_OUT_BYTES } from './abi.js';
import type { DirEntry, DirSink, Entry } from '../filesystem.js';
import type { Reply, Timeouts } from './reply.js';
import { encodeEntry } from './reply.js';

/** Writes a listing into a reply of at most `size` bytes: fuse_dirent or fuse_direntplus. */
export class ReplyDirSink implements DirSink {
  readonly plus: boolean;
  readonly #reply: Reply;
  readonly #end: number;
  readonly #timeouts: Timeouts;
  #count = 0;
  #full = false;

  constructor(reply: Reply, size: number, options: { plus: boolean; timeouts: Timeouts }) {
    this.#reply = reply;
    this.#end = reply.length + size;
    this.plus = options.plus;
    this.#timeouts = options.timeouts;
  }

  /** Entries taken so far. */
  get count(): number {
    return this.#count;
  }

  add(entry: DirEntry, lookup?: () => Entry): boolean {
    const { name } = entry;
    const direntBytes = (DIRENT_BYTES + name.length + 7) & ~7;
    const bytes = direntBytes + (this.plus ? ENTRY_OUT_BYTES : 0);
    if (this.#full || this.#reply.length + bytes > this.#end) return this.#stop();
    if (this.plus && !this.#putEntry(lookup)) return this.#stop();
    this.#reply.u64(entry.ino);
    this.#reply.u64(entry.nextOffset);
    this.#reply.u32(name.length);
    this.#reply.u32(entry.type);
    this.#reply.latin1(name);
    this.#reply.zeros(direntBytes - DIRENT_BYTES - name.length);
    this.#count++;
    return true;
  }

  #putEntry(lookup: (() => Entry) | undefined): boolean {
    if (lookup === undefined) {
      this.#reply.zeros(ENTRY_OUT_BYTES);
      return true;
    }
    try {
      encodeEntry(this.#reply, lookup(), this.#timeouts);
      return true;
    } catch (error) {
      // Earlier entries have counted lookups that the kernel must hear of: the error waits for
      // the next request, which begins with this entry.
      if (this.#count > 0) return false;
      throw error;
    }
  }

  #stop(): boolean {
    this.#full = true;
    return false;
  }
}
