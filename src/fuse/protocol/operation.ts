import type { Cursor } from './cursor.js';
import type { Awaitable, Caller, FileSystem, NodeId } from '../filesystem.js';
import type { Reply, Timeouts } from './reply.js';

/** What holds for the whole mount, once INIT is over. */
export interface Connection {
  readonly timeouts: Timeouts;
  /** 0: a missing name is an error each time, not an entry that the kernel keeps. */
  readonly negativeSec: number;
  /** SETXATTR_EXT was negotiated. */
  readonly setxattrExt: boolean;
}

/** One request and its reply, while they are dealt with. */
export interface Exchange {
  readonly cursor: Cursor;
  readonly reply: Reply;
  readonly nodeid: NodeId;
  readonly caller: Caller;
  readonly connection: Connection;
}

/**
 * How one opcode is served: `call` decodes the arguments and asks the file system, `encode` puts
 * the result into the reply. Without `method`, the file system lacks the operation: ENOSYS.
 */
export interface Operation {
  readonly method: keyof FileSystem;
  call(fs: Required<FileSystem>, exchange: Exchange): unknown;
  encode(exchange: Exchange, result: unknown): void;
}

/** Operations by opcode. */
export type Operations = Readonly<Record<number, Operation>>;

/** An operation whose result's type `call` and `encode` share. */
export function operation<R>(
  method: keyof FileSystem,
  call: (fs: Required<FileSystem>, exchange: Exchange) => Awaitable<R>,
  encode: (exchange: Exchange, result: R) => void,
): Operation {
  return { method, call, encode };
}

/** The encoder of a reply that is a header only. */
export function nothing(): void {
  // The header says it all.
}
