/** Feeds a server's loop random requests, and judges every answer by the protocol's rules. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';

import {
  DIRENT_BYTES,
  ENTRY_OUT_BYTES,
  FUSE_NOTIFY_INVAL_INODE,
  IN_HEADER,
  OPCODE,
  OUT_HEADER,
  opcodeName,
} from '../fuse/protocol/abi.js';
import type { Channel } from '../fuse/server/channel.js';
import type { FileSystem } from '../fuse/filesystem.js';
import { serveChannel } from '../fuse/server/serve.js';
import { Session, type FuseLogger } from '../fuse/server/session.js';
import { S_IFDIR, S_IFMT } from '../sys/constants.js';
import { RequestGenerator } from './fuse-requests.js';
import { Random } from './random.js';

const ERRNO_MAX = 511;
/** What the kernel waits for no answer to. */
const SILENT: readonly number[] = [
  OPCODE.FUSE_FORGET,
  OPCODE.FUSE_BATCH_FORGET,
  OPCODE.FUSE_INTERRUPT,
  OPCODE.FUSE_NOTIFY_REPLY,
];
/** Payload bytes of a success, where they are fixed; the rest has only a header. */
const FIXED_BYTES: Readonly<Record<number, number>> = {
  [OPCODE.FUSE_LOOKUP]: 128,
  [OPCODE.FUSE_GETATTR]: 104,
  [OPCODE.FUSE_SETATTR]: 104,
  [OPCODE.FUSE_SYMLINK]: 128,
  [OPCODE.FUSE_MKNOD]: 128,
  [OPCODE.FUSE_MKDIR]: 128,
  [OPCODE.FUSE_LINK]: 128,
  [OPCODE.FUSE_OPEN]: 16,
  [OPCODE.FUSE_OPENDIR]: 16,
  [OPCODE.FUSE_WRITE]: 8,
  [OPCODE.FUSE_STATFS]: 80,
  [OPCODE.FUSE_INIT]: 64,
  [OPCODE.FUSE_CREATE]: 144,
  [OPCODE.FUSE_TMPFILE]: 144,
  [OPCODE.FUSE_LSEEK]: 8,
  [OPCODE.FUSE_COPY_FILE_RANGE]: 8,
  [OPCODE.FUSE_COPY_FILE_RANGE_64]: 8,
};
const ENTRIES: readonly number[] = [
  ...[OPCODE.FUSE_LOOKUP, OPCODE.FUSE_SYMLINK, OPCODE.FUSE_MKNOD, OPCODE.FUSE_MKDIR],
  ...[OPCODE.FUSE_LINK, OPCODE.FUSE_CREATE, OPCODE.FUSE_TMPFILE],
];
/** Where the body of READ and READDIR, and of GETXATTR and LISTXATTR, says what fits. */
const READ_SIZE_AT = IN_HEADER.bytes + 16;
const XATTR_SIZE_AT = IN_HEADER.bytes;
const SIZED: readonly number[] = [OPCODE.FUSE_GETXATTR, OPCODE.FUSE_LISTXATTR];
const LISTINGS: readonly number[] = [OPCODE.FUSE_READDIR, OPCODE.FUSE_READDIRPLUS];
const PATH_MAX = 4096;
const ENTRY_MODE_AT = 100;

/** What a run saw. */
export interface FuzzReport {
  readonly requests: number;
  readonly successes: number;
  /** Failures that the file system did not mean, as they were logged. */
  readonly logged: readonly unknown[];
  /** Successes by the kernel's name of the operation. */
  readonly byOpcode: ReadonlyMap<string, number>;
  /** A digest of the results and lengths of all answers. */
  readonly trace: string;
}

/** How much, and which. */
export interface FuzzOptions {
  readonly seed: number;
  readonly requests: number;
  /** The byte that lies behind a request in the buffer; random if left out. */
  readonly fill?: number;
}

/** Serves random requests; asserts that each is answered as the protocol says. */
export function fuzz(fileSystem: FileSystem, options: FuzzOptions): FuzzReport {
  const channel = new FuzzChannel(options);
  const { logger, logged } = collector();
  serveChannel(channel, fileSystem, { logger });
  return { requests: options.requests, logged, ...channel.seen() };
}

/** Like {@link fuzz}, for a file system whose handlers return promises. */
export async function fuzzAsync(fileSystem: FileSystem, options: FuzzOptions): Promise<FuzzReport> {
  const channel = new FuzzChannel(options);
  const { logger, logged } = collector();
  const session = new Session(fileSystem, {}, logger);
  const slot = session.newSlot();
  for (;;) {
    const length = channel.receive(slot.request);
    if (length === undefined) break;
    const outcome = await session.handle(slot, length);
    if (outcome === 'reply') channel.send(slot.reply.buffer, slot.reply.length);
  }
  return { requests: options.requests, logged, ...channel.seen() };
}

/** A logger that keeps errors. */
function collector(): { readonly logger: FuseLogger; readonly logged: unknown[] } {
  const logged: unknown[] = [];
  const error = (details: object): void => {
    if ('err' in details) logged.push(details.err);
  };
  return { logger: { error }, logged };
}

class FuzzChannel implements Channel {
  #successes = 0;
  readonly #byOpcode = new Map<string, number>();
  readonly #trace = createHash('sha256');
  readonly #fill: number | undefined;
  readonly #generator: RequestGenerator;
  readonly #random: Random;
  #left: number;
  #request: Buffer | undefined;
  #answers = 0;

  constructor({ seed, requests, fill }: FuzzOptions) {
    this.#fill = fill;
    this.#random = new Random(seed ^ 0x5eed);
    this.#generator = new RequestGenerator(new Random(seed));
    this.#left = requests;
  }

  receive(into: Buffer): number | undefined {
    this.#assertAnswered();
    if (this.#left === 0) return undefined;
    this.#left--;
    this.#request = this.#generator.next();
    this.#answers = 0;
    // What lies behind a request must not matter: bytes that would be seen if it did.
    const behind = into.subarray(this.#request.length, this.#request.length + PATH_MAX);
    behind.fill(this.#fill ?? this.#random.below(256));
    return this.#request.copy(into);
  }

  send(reply: Buffer, length: number): number {
    const request = this.#request;
    assert.ok(request !== undefined);
    if (reply.readBigUInt64LE(OUT_HEADER.unique) === 0n) {
      this.#checkNotice(request, reply.subarray(0, length));
      return 0;
    }
    this.#answers++;
    try {
      assert.equal(this.#answers, 1, 'answers');
      assert.ok(!this.#isSilent(request), 'no answer is waited for');
      this.#checkReply(request, reply, length);
    } catch (cause) {
      throw new Error(`Wrong answer to ${request.toString('hex', 0, 200)}`, { cause });
    }
    return 0;
  }

  /** The only message that is sent unasked: before a listing, to drop what is kept of it. */
  #checkNotice(request: Buffer, notice: Buffer): void {
    assert.ok(LISTINGS.includes(request.readUInt32LE(IN_HEADER.opcode)));
    assert.equal(this.#answers, 0);
    assert.deepEqual([notice.readUInt32LE(OUT_HEADER.len), notice.length], [40, 40]);
    assert.equal(notice.readInt32LE(OUT_HEADER.error), FUSE_NOTIFY_INVAL_INODE);
    const nodeid = request.readBigUInt64LE(IN_HEADER.nodeid);
    assert.equal(notice.readBigUInt64LE(OUT_HEADER.bytes), nodeid);
    this.#trace.update('notice\n');
  }

  #checkReply(request: Buffer, reply: Buffer, length: number): void {
    assert.equal(reply.readUInt32LE(OUT_HEADER.len), length);
    const unique = request.readBigUInt64LE(IN_HEADER.unique);
    assert.equal(reply.readBigUInt64LE(OUT_HEADER.unique), unique);
    const error = reply.readInt32LE(OUT_HEADER.error);
    assert.ok(error <= 0 && error >= -ERRNO_MAX, `errno ${error}`);
    const payload = reply.subarray(OUT_HEADER.bytes, length);
    this.#trace.update(`${error} ${length}\n`);
    if (error === 0) this.#checkSuccess(request, payload);
    else assert.equal(payload.length, 0);
  }

  /** What there is to report, once all is over. */
  seen(): Pick<FuzzReport, 'successes' | 'byOpcode' | 'trace'> {
    const trace = this.#trace.digest('hex');
    return { successes: this.#successes, byOpcode: this.#byOpcode, trace };
  }

  #isSilent(request: Buffer): boolean {
    // Too short to say whom to answer.
    if (request.length < IN_HEADER.bytes) return true;
    return SILENT.includes(request.readUInt32LE(IN_HEADER.opcode));
  }

  #assertAnswered(): void {
    const request = this.#request;
    if (request === undefined) return;
    const want = this.#isSilent(request) ? 0 : 1;
    if (this.#answers !== want) {
      throw new Error(`${this.#answers} answers to ${request.toString('hex', 0, 200)}`);
    }
  }

  #checkSuccess(request: Buffer, payload: Buffer): void {
    const opcode = request.readUInt32LE(IN_HEADER.opcode);
    const name = opcodeName(opcode);
    this.#successes++;
    this.#byOpcode.set(name, (this.#byOpcode.get(name) ?? 0) + 1);
    if (opcode === OPCODE.FUSE_READ) {
      assert.ok(payload.length <= request.readUInt32LE(READ_SIZE_AT));
    } else if (opcode === OPCODE.FUSE_READLINK) {
      assert.ok(payload.length <= PATH_MAX + 1);
    } else if (SIZED.includes(opcode)) {
      const room = request.readUInt32LE(XATTR_SIZE_AT);
      assert.ok(room === 0 ? payload.length === 8 : payload.length <= room);
    } else if (LISTINGS.includes(opcode)) {
      assert.ok(payload.length <= request.readUInt32LE(READ_SIZE_AT));
      this.#checkListing(payload, opcode === OPCODE.FUSE_READDIRPLUS);
    } else if (opcode !== OPCODE.FUSE_IOCTL) {
      assert.equal(payload.length, FIXED_BYTES[opcode] ?? 0);
    }
    if (ENTRIES.includes(opcode)) this.#learn(payload);
  }

  /** The node of an entry_out. */
  #learn(entry: Buffer): void {
    const isDir = (entry.readUInt32LE(ENTRY_MODE_AT) & S_IFMT) === S_IFDIR;
    this.#generator.learn(entry.readBigUInt64LE(), isDir);
  }

  #checkListing(payload: Buffer, plus: boolean): void {
    for (let at = 0; at < payload.length;) {
      if (plus) {
        this.#learn(payload.subarray(at));
        at += ENTRY_OUT_BYTES;
      }
      const namelen = payload.readUInt32LE(at + 16);
      assert.ok(namelen > 0 && payload.readBigUInt64LE(at + 8) > 0n);
      at += (DIRENT_BYTES + namelen + 7) & ~7;
      assert.ok(at <= payload.length);
    }
  }
}
