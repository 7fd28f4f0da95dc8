/**
 * Encoders of replies: an out_header of 16 bytes (len, negative errno, unique), then the structs
 * of linux/fuse.h (7.45). For example an error ENOENT for the request with unique 0x22:
 * `10 00 00 00  fe ff ff ff  22 00 00 00 00 00 00 00`.
 */
import { FUSE_NOTIFY_INVAL_INODE, OUT_HEADER } from './abi.js';
import type { Attr, Entry, Opened, StatFs } from '../filesystem.js';

const TWO_32 = 2 ** 32;

/** How long the kernel may keep what a reply says, in seconds. */
export interface Timeouts {
  readonly entrySec: number;
  readonly attrSec: number;
}

/** One reply under construction, in a buffer that is used again and again. */
export class Reply {
  readonly buffer: Buffer;
  readonly #view: DataView;
  #length: number = OUT_HEADER.bytes;

  /** `payloadBytesMax`: the longest reply behind the header. */
  constructor(payloadBytesMax: number) {
    this.buffer = Buffer.alloc(OUT_HEADER.bytes + payloadBytesMax);
    this.#view = new DataView(this.buffer.buffer, this.buffer.byteOffset, this.buffer.length);
  }

  /** Bytes to send, header included. */
  get length(): number {
    return this.#length;
  }

  /** Starts the reply to a request, whose `unique` lies at an offset of its buffer. */
  begin(request: Buffer, uniqueAt: number): void {
    request.copy(this.buffer, OUT_HEADER.unique, uniqueAt, uniqueAt + 8);
    this.#length = OUT_HEADER.bytes;
  }

  /** Makes it an error, without a payload; `errno` is positive. */
  fail(errno: number): void {
    this.#length = OUT_HEADER.bytes;
    this.#finish(-errno);
  }

  /** Completes the header of a success. */
  succeed(): void {
    this.#finish(0);
  }

  /** Completes the header of a message to the kernel: its code is where replies have the error. */
  notify(code: number): void {
    this.#finish(code);
  }

  #finish(error: number): void {
    this.#view.setUint32(OUT_HEADER.len, this.#length, true);
    this.#view.setInt32(OUT_HEADER.error, error, true);
  }

  /** Room for `size` payload bytes from `offset` (of the payload) on. */
  payload(size: number, offset = 0): Buffer {
    const start = OUT_HEADER.bytes + offset;
    return this.buffer.subarray(start, start + size);
  }

  /** Declares that the payload has `size` bytes, put there through {@link payload}. */
  setPayloadLength(size: number): void {
    this.#length = OUT_HEADER.bytes + size;
  }

  u16(value: number): void {
    this.#view.setUint16(this.#length, value, true);
    this.#length += 2;
  }

  u32(value: number): void {
    this.#view.setUint32(this.#length, value, true);
    this.#length += 4;
  }

  /** A u64 or s64 from a safe integer. */
  u64(value: number): void {
    this.#view.setUint32(this.#length, value, true);
    this.#view.setInt32(this.#length + 4, Math.floor(value / TWO_32), true);
    this.#length += 8;
  }

  zeros(size: number): void {
    this.buffer.fill(0, this.#length, this.#length + size);
    this.#length += size;
  }

  bytes(data: Buffer): void {
    data.copy(this.buffer, this.#length);
    this.#length += data.length;
  }

  latin1(text: string): void {
    this.#length += this.buffer.write(text, this.#length, 'latin1');
  }
}

/** fuse_attr, 88 bytes. */
function putAttr(reply: Reply, attr: Attr): void {
  reply.u64(attr.ino);
  reply.u64(attr.size);
  reply.u64(attr.blocks);
  reply.u64(attr.atimeSec);
  reply.u64(attr.mtimeSec);
  reply.u64(attr.ctimeSec);
  reply.u32(attr.atimeNsec);
  reply.u32(attr.mtimeNsec);
  reply.u32(attr.ctimeNsec);
  reply.u32(attr.mode);
  reply.u32(attr.nlink);
  reply.u32(attr.uid);
  reply.u32(attr.gid);
  reply.u32(attr.rdev);
  reply.u32(attr.blksize);
  reply.u32(0);
}

/** entry_out, 128 bytes. */
export function encodeEntry(reply: Reply, entry: Entry, timeouts: Timeouts): void {
  reply.u64(entry.nodeid);
  reply.u64(0);
  reply.u64(timeouts.entrySec);
  reply.u64(entry.attrTimeoutSec ?? timeouts.attrSec);
  reply.u64(0);
  putAttr(reply, entry.attr);
}

/** entry_out with nodeid 0: the kernel remembers that the name does not exist. */
export function encodeNegativeEntry(reply: Reply, entrySec: number): void {
  reply.u64(0);
  reply.u64(0);
  reply.u64(entrySec);
  reply.zeros(128 - 24);
}

/** attr_out, 104 bytes. */
export function encodeAttr(reply: Reply, attr: Attr, timeouts: Timeouts): void {
  reply.u64(timeouts.attrSec);
  reply.u64(0);
  putAttr(reply, attr);
}

/** open_out, 16 bytes. */
export function encodeOpened(reply: Reply, opened: Opened): void {
  reply.u64(opened.fh);
  reply.u32(opened.openFlags);
  reply.u32(0);
}

/** kstatfs, 80 bytes. */
export function encodeStatFs(reply: Reply, stat: StatFs): void {
  reply.u64(stat.blocks);
  reply.u64(stat.bfree);
  reply.u64(stat.bavail);
  reply.u64(stat.files);
  reply.u64(stat.ffree);
  reply.u32(stat.bsize);
  reply.u32(stat.namelen);
  reply.u32(stat.bsize);
  reply.zeros(28);
}

/** What INIT settles; see `negotiate`. */
export interface InitOut {
  readonly major: number;
  readonly minor: number;
  readonly maxReadahead: number;
  readonly flags: number;
  readonly flags2: number;
  readonly maxBackground: number;
  readonly congestionThreshold: number;
  readonly maxWrite: number;
  readonly maxPages: number;
}

/** init_out, 64 bytes. */
export function encodeInit(reply: Reply, init: InitOut): void {
  reply.u32(init.major);
  reply.u32(init.minor);
  reply.u32(init.maxReadahead);
  reply.u32(init.flags);
  reply.u16(init.maxBackground);
  reply.u16(init.congestionThreshold);
  reply.u32(init.maxWrite);
  reply.u32(1);
  reply.u16(init.maxPages);
  reply.u16(0);
  reply.u32(init.flags2);
  reply.zeros(28);
}

/**
 * A message that no request asked for (unique 0): the kernel drops the attributes of an inode, and
 * all that it keeps of its content. fuse_notify_inval_inode_out, 24 bytes: ino, off, len (0: all).
 */
export function encodeInvalInode(nodeid: number): Buffer {
  const message = new Reply(24);
  message.u64(nodeid);
  message.zeros(16);
  message.notify(FUSE_NOTIFY_INVAL_INODE);
  return message.buffer;
}
