import { FsError, errnoNumber } from '../../sys/errno.js';
import {
  FUSE_BUFFER_HEADER_BYTES,
  FUSE_DEFAULT_MAX_PAGES,
  FUSE_KERNEL_VERSION,
  FUSE_MINOR_MIN,
  FUSE_MIN_READ_BUFFER,
  FUSE_SETXATTR_EXT,
  IN_HEADER,
  OPCODE,
  PAGE_BYTES,
  opcodeName,
} from '../protocol/abi.js';
import { Cursor } from '../protocol/cursor.js';
import type { FileSystem, NodeId } from '../filesystem.js';
import type { MountOptions } from '../protocol/negotiate.js';
import { maxTransferBytes, negotiate } from '../protocol/negotiate.js';
import type { Connection, Exchange, Operation, Operations } from '../protocol/operation.js';
import { DIRECTORY_OPERATIONS } from '../protocol/operations-directory.js';
import { FILE_OPERATIONS } from '../protocol/operations-file.js';
import { NODE_OPERATIONS } from '../protocol/operations-node.js';
import { XATTR_OPERATIONS } from '../protocol/operations-xattr.js';
import { Reply, encodeInit, encodeInvalInode } from '../protocol/reply.js';
import { RequestCaller } from '../protocol/request-caller.js';
import { decodeInit } from '../protocol/request.js';
import { StaleListings } from './stale-listings.js';

/** Takes what went wrong inside a file system; pino's loggers fit. Called synchronously. */
export interface FuseLogger {
  error(details: object, message: string): void;
}

const EINTR = errnoNumber('EINTR');
const EIO = errnoNumber('EIO');
const ENOSYS = errnoNumber('ENOSYS');
const ENOTTY = errnoNumber('ENOTTY');
const EPROTO = errnoNumber('EPROTO');
const EOPNOTSUPP = errnoNumber('EOPNOTSUPP');
/** The kernel refuses replies with larger numbers. */
const ERRNO_MAX = 511;
/** Beyond what any timeout needs, below what the kernel's clock can add. */
const FOREVER_SEC = 1_000_000_000;

/** fuse_interrupt_in: the request's `unique`. */
const INTERRUPT_BYTES = IN_HEADER.bytes + 8;
/** Requests that the kernel waits for no answer to, whatever becomes of them. */
const UNANSWERED: readonly number[] = [
  OPCODE.FUSE_FORGET,
  OPCODE.FUSE_BATCH_FORGET,
  OPCODE.FUSE_INTERRUPT,
  OPCODE.FUSE_NOTIFY_REPLY,
];

const OPERATIONS: Operations = {
  ...NODE_OPERATIONS,
  ...FILE_OPERATIONS,
  ...DIRECTORY_OPERATIONS,
  ...XATTR_OPERATIONS,
};

/** The buffers of one request and its reply, and what is being done with them. */
export class Slot implements Exchange {
  readonly request: Buffer;
  readonly cursor: Cursor;
  readonly reply: Reply;
  connection: Connection;
  /** To be sent before the reply. */
  notice: Buffer | undefined;
  opcode = 0;
  nodeid: NodeId = 0;
  caller: RequestCaller = new RequestCaller(0, 0, 0);

  constructor(transferBytes: number, connection: Connection) {
    this.request = Buffer.alloc(
      Math.max(FUSE_MIN_READ_BUFFER, transferBytes + FUSE_BUFFER_HEADER_BYTES),
    );
    this.cursor = new Cursor(this.request);
    this.reply = new Reply(Math.max(transferBytes, FUSE_DEFAULT_MAX_PAGES * PAGE_BYTES));
    this.connection = connection;
  }
}

/** `reply`: the slot's reply is to be sent, once. `silent`: the kernel waits for none. */
export type Outcome = 'reply' | 'silent';

/**
 * Serves one mount's requests: decodes each, asks the file system, prepares the reply. Does no
 * I/O. INVARIANT: every request but FORGET, BATCH_FORGET, INTERRUPT and NOTIFY_REPLY comes out
 * as `reply` exactly once, whatever the file system throws.
 */
export class Session {
  readonly #fileSystem: FileSystem;
  readonly #options: MountOptions;
  readonly #logger: FuseLogger;
  readonly #operations: readonly (Operation | undefined)[];
  /** Who waits for promises, by `unique`. */
  readonly #waiting = new Map<bigint, RequestCaller>();
  readonly #listings = new StaleListings();
  #connection: Connection;

  constructor(fileSystem: FileSystem, options: MountOptions, logger: FuseLogger) {
    this.#fileSystem = fileSystem;
    this.#options = options;
    this.#logger = logger;
    this.#operations = operationTable(fileSystem);
    this.#connection = {
      timeouts: {
        entrySec: options.entryTimeoutSec ?? FOREVER_SEC,
        attrSec: options.attrTimeoutSec ?? FOREVER_SEC,
      },
      negativeSec: options.negativeTimeoutSec ?? FOREVER_SEC,
      setxattrExt: false,
    };
  }

  /** Buffers for one request; a server that waits for promises needs one for each in flight. */
  newSlot(): Slot {
    return new Slot(maxTransferBytes(this.#options), this.#connection);
  }

  /**
   * Deals with the request of `length` bytes in the slot's request buffer. A promise: the file
   * system gave one, and the slot is in use until it settles (it never rejects).
   */
  handle(slot: Slot, length: number): Outcome | Promise<Outcome> {
    if (length < IN_HEADER.bytes) {
      this.#logger.error({ length }, 'the kernel sent less than a request');
      return 'silent';
    }
    try {
      this.#decodeHeader(slot, length);
      return this.#dispatch(slot, length);
    } catch (error) {
      const outcome = this.#failWith(slot, error);
      return UNANSWERED.includes(slot.opcode) ? 'silent' : outcome;
    }
  }

  #dispatch(slot: Slot, length: number): Outcome | Promise<Outcome> {
    switch (slot.opcode) {
      case OPCODE.FUSE_FORGET:
      case OPCODE.FUSE_BATCH_FORGET:
        return this.#forget(slot);
      case OPCODE.FUSE_INTERRUPT:
        return this.#interrupt(slot, length);
      case OPCODE.FUSE_NOTIFY_REPLY:
        return 'silent';
      case OPCODE.FUSE_INIT:
        return this.#init(slot);
      case OPCODE.FUSE_DESTROY:
        return succeed(slot);
      default:
        return this.#operate(slot, length);
    }
  }

  /** Replaces the reply by EIO, and logs why: for a reply that cannot be had or sent. */
  abandon(slot: Slot, reason: string): void {
    this.#logger.error({ opcode: opcodeName(slot.opcode), nodeid: slot.nodeid }, reason);
    fail(slot, EIO);
  }

  #decodeHeader(slot: Slot, length: number): void {
    const { cursor, request } = slot;
    slot.reply.begin(request, IN_HEADER.unique);
    slot.connection = this.#connection;
    slot.notice = undefined;
    cursor.reset(IN_HEADER.len, length);
    const declared = cursor.u32();
    slot.opcode = cursor.u32();
    cursor.skip(8);
    slot.nodeid = cursor.u64();
    slot.caller = new RequestCaller(cursor.u32(), cursor.u32(), cursor.u32());
    const extensionBytes = cursor.u16() * 8;
    if (declared !== length) throw new FsError(EIO, `fuse request of ${declared} bytes`);
    cursor.reset(IN_HEADER.bytes, length - extensionBytes);
  }

  #operate(slot: Slot, length: number): Outcome | Promise<Outcome> {
    const operation = this.#operations[slot.opcode];
    if (operation === undefined) {
      return fail(slot, slot.opcode === OPCODE.FUSE_IOCTL ? ENOTTY : ENOSYS);
    }
    if (this.#listings.see(slot, length)) slot.notice = encodeInvalInode(slot.nodeid);
    const result = operation.call(this.#fileSystem as Required<FileSystem>, slot);
    if (result instanceof Promise) return this.#settle(slot, operation, result);
    operation.encode(slot, result);
    return succeed(slot);
  }

  async #settle(slot: Slot, operation: Operation, result: Promise<unknown>): Promise<Outcome> {
    const unique = slot.request.readBigUInt64LE(IN_HEADER.unique);
    this.#waiting.set(unique, slot.caller);
    try {
      operation.encode(slot, await result);
      return succeed(slot);
    } catch (error) {
      // Whatever an interrupted handler says: its caller has a signal to deal with.
      if (slot.caller.isInterrupted) return fail(slot, EINTR);
      return this.#failWith(slot, error);
    } finally {
      this.#waiting.delete(unique);
    }
  }

  /** Tells the handler of the request that is named; one that has been answered is unknown. */
  #interrupt({ request }: Slot, length: number): Outcome {
    if (length < INTERRUPT_BYTES) return 'silent';
    this.#waiting.get(request.readBigUInt64LE(IN_HEADER.bytes))?.interrupt();
    return 'silent';
  }

  /** Tells every handler that is waited for: its caller is gone. */
  interruptAll(): void {
    for (const caller of this.#waiting.values()) caller.interrupt();
  }

  #failWith(slot: Slot, error: unknown): Outcome {
    if (error instanceof FsError) {
      const errno = -error.errno;
      // The kernel would remember ENOSYS and never ask again; a backing file system's is not meant.
      if (errno === ENOSYS) return fail(slot, EOPNOTSUPP);
      if (errno > 0 && errno <= ERRNO_MAX) return fail(slot, errno);
    }
    const { opcode, nodeid } = slot;
    this.#logger.error({ err: error, opcode: opcodeName(opcode), nodeid }, 'file system failed');
    return fail(slot, EIO);
  }

  #forget({ opcode, nodeid, cursor }: Slot): Outcome {
    try {
      if (opcode === OPCODE.FUSE_FORGET) {
        this.#listings.forget(nodeid);
        this.#fileSystem.forget(nodeid, cursor.u64());
        return 'silent';
      }
      const count = cursor.u32();
      cursor.skip(4);
      for (let index = 0; index < count; index++) {
        const node = cursor.u64();
        this.#listings.forget(node);
        this.#fileSystem.forget(node, cursor.u64());
      }
    } catch (error) {
      this.#logger.error({ err: error, opcode: opcodeName(opcode), nodeid }, 'forget failed');
    }
    return 'silent';
  }

  #init(slot: Slot): Outcome {
    const init = decodeInit(slot.cursor);
    // A newer kernel asks again, with major 7, when it has read ours.
    const tooOld = init.major === FUSE_KERNEL_VERSION && init.minor < FUSE_MINOR_MIN;
    if (init.major < FUSE_KERNEL_VERSION || tooOld) {
      const { major, minor } = init;
      this.#logger.error({ major, minor }, 'Cannot speak this FUSE version: want 7.31 or newer');
      return fail(slot, EPROTO);
    }
    const answer = negotiate(init, this.#options);
    const setxattrExt = (answer.flags & FUSE_SETXATTR_EXT) !== 0;
    this.#connection = { ...this.#connection, setxattrExt };
    encodeInit(slot.reply, answer);
    return succeed(slot);
  }
}

/** The operations that the file system has, by opcode. */
function operationTable(fileSystem: FileSystem): (Operation | undefined)[] {
  const size = Math.max(...Object.values(OPCODE)) + 1;
  return Array.from({ length: size }, (_, opcode) => {
    const operation = OPERATIONS[opcode];
    return operation === undefined || fileSystem[operation.method] === undefined
      ? undefined
      : operation;
  });
}

function succeed(slot: Slot): Outcome {
  slot.reply.succeed();
  return 'reply';
}

function fail(slot: Slot, errno: number): Outcome {
  slot.reply.fail(errno);
  return 'reply';
}
