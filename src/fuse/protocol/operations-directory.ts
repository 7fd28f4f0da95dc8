import { FUSE_FSYNC_FDATASYNC, OPCODE } from './abi.js';
import { ReplyDirSink } from './dir-sink.js';
import type { Awaitable } from '../filesystem.js';
import type { Operation, Operations } from './operation.js';
import { nothing, operation } from './operation.js';
import { encodeOpened } from './reply.js';
import { decodeRead } from './request.js';

function readdir(plus: boolean): Operation {
  return operation(
    'readdir',
    (fs, { nodeid, cursor, reply, connection }) => {
      const { fh, offset, size } = decodeRead(cursor);
      const room = Math.min(size, reply.payload(size).length);
      const sink = new ReplyDirSink(reply, room, { plus, timeouts: connection.timeouts });
      return keepTaken(sink, () => fs.readdir(nodeid, fh, offset, sink));
    },
    nothing,
  );
}

/**
 * Entries that were taken have counted lookups: they are sent even if the handler fails behind
 * them. The next request begins where this one ended, and gets the error.
 */
function keepTaken(sink: ReplyDirSink, list: () => Awaitable<void>): Awaitable<void> {
  const onError = (error: unknown): void => {
    if (sink.count === 0) throw error;
  };
  try {
    const result = list();
    return result instanceof Promise ? result.catch(onError) : result;
  } catch (error) {
    onError(error);
  }
}

/** Opening, listing and closing of directories. */
export const DIRECTORY_OPERATIONS: Operations = {
  [OPCODE.FUSE_OPENDIR]: operation(
    'opendir',
    (fs, { nodeid, cursor, caller }) => fs.opendir(nodeid, cursor.u32(), caller),
    ({ reply }, opened) => encodeOpened(reply, opened),
  ),
  [OPCODE.FUSE_READDIR]: readdir(false),
  [OPCODE.FUSE_READDIRPLUS]: readdir(true),
  [OPCODE.FUSE_RELEASEDIR]: operation(
    'releasedir',
    (fs, { nodeid, cursor }) => fs.releasedir(nodeid, cursor.u64()),
    nothing,
  ),
  [OPCODE.FUSE_FSYNCDIR]: operation(
    'fsyncdir',
    (fs, { nodeid, cursor, caller }) => {
      const fh = cursor.u64();
      return fs.fsyncdir(nodeid, fh, (cursor.u32() & FUSE_FSYNC_FDATASYNC) !== 0, caller);
    },
    nothing,
  ),
};
