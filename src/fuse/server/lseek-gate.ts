import type { Fd } from '../../sys/fd.js';
import { IN_HEADER, OPCODE } from '../protocol/abi.js';
import { WriteBack } from './write-back.js';

/**
 * The first minor version of a kernel in which the writeback of a page ends with the WRITE's
 * reply, not with a copy of the page: Linux 6.16.
 */
const DIRECT_WRITEBACK_MINOR = 44;
const INIT_MINOR_AT = IN_HEADER.bytes + 4;

/** What becomes of a request: it goes on, it has to be parked, or it cannot be answered. */
export type Admission = 'pass' | 'park' | 'refuse';

interface Parked {
  readonly request: Buffer;
  readonly ino: number;
}

/** A request that has waited; `flushed`: it can be answered now. */
export interface Released {
  readonly request: Buffer;
  readonly flushed: boolean;
}

/**
 * Holds LSEEK back until the inode's dirty pages were written: with its write-back cache the
 * kernel asks for data and holes before it has sent the data. What cannot be written back is
 * refused: answered with ENOSYS, the kernel takes everything as data from then on.
 */
export class LseekGate implements Disposable {
  readonly #dev: string;
  readonly #start: () => WriteBack;
  /** Oldest first; the first one's answer is due. */
  readonly #parked: Parked[] = [];
  #process: WriteBack | undefined;
  #hopeless: boolean;

  /** `dev`: the mount's, as in `Statx`; undefined: not known. */
  constructor(dev: string | undefined, start: () => WriteBack = () => WriteBack.start()) {
    this.#dev = dev ?? '';
    this.#hopeless = dev === undefined;
    this.#start = start;
  }

  /** Looks at the request of `length` bytes. */
  admit(request: Buffer, length: number): Admission {
    if (length < IN_HEADER.bytes) return 'pass';
    const opcode = request.readUInt32LE(IN_HEADER.opcode);
    if (opcode === OPCODE.FUSE_INIT && length >= INIT_MINOR_AT + 4) {
      this.#hopeless ||= request.readUInt32LE(INIT_MINOR_AT) < DIRECT_WRITEBACK_MINOR;
    }
    if (opcode !== OPCODE.FUSE_LSEEK) return 'pass';
    return this.#hopeless ? 'refuse' : 'park';
  }

  /** Keeps a copy of the request, for the node whose st_ino is `ino`; false: refuse it. */
  park(request: Buffer, ino: number): boolean {
    try {
      this.#process ??= this.#start();
    } catch (error) {
      if (!(error instanceof Error && 'code' in error)) throw error;
      this.#hopeless = true;
      return false;
    }
    this.#parked.push({ request: Buffer.from(request), ino });
    if (this.#parked.length === 1) this.#askForFirst();
    return true;
  }

  /** Readable when {@link release} has something; undefined: nothing is parked. */
  get answers(): Fd | undefined {
    return this.#parked.length === 0 ? undefined : this.#process?.answers;
  }

  /** The request that has waited longest. Call it when `answers` is readable. */
  release(): Released {
    const flushed = this.#process?.answer() ?? false;
    const first = this.#parked.shift();
    if (first === undefined) throw new Error('Cannot release a request: none is parked');
    this.#askForFirst();
    return { request: first.request, flushed };
  }

  #askForFirst(): void {
    const [first] = this.#parked;
    if (first === undefined) return;
    const pid = first.request.readUInt32LE(IN_HEADER.pid);
    this.#process?.ask({ pid, dev: this.#dev, ino: first.ino });
  }

  [Symbol.dispose](): void {
    this.#process?.[Symbol.dispose]();
    this.#process = undefined;
  }
}
