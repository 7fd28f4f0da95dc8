import { FsError } from '../../sys/errno.js';
import type { ByteName } from '../../util/byte-name.js';
import { OPCODE } from './abi.js';
import type { Exchange, Operations } from './operation.js';
import { nothing, operation } from './operation.js';
import { decodeSetxattr } from './request.js';

/** A value or list, or only its size where the caller gave no room (getxattr_out, 8 bytes). */
interface Sized {
  readonly room: number;
  readonly value: Buffer;
}

function putSized({ reply }: Exchange, { room, value }: Sized): void {
  if (room === 0) {
    reply.u32(value.length);
    reply.u32(0);
    return;
  }
  if (value.length > room) throw new FsError('ERANGE', 'getxattr');
  reply.bytes(value);
}

function sizedValue(room: number, value: Buffer | undefined): Sized {
  if (value === undefined) throw new FsError('ENODATA', 'getxattr');
  return { room, value };
}

function sizedNames(room: number, names: readonly ByteName[]): Sized {
  return { room, value: Buffer.from(names.map((name) => `${name}\0`).join(''), 'latin1') };
}

/** Extended attributes. */
export const XATTR_OPERATIONS: Operations = {
  [OPCODE.FUSE_SETXATTR]: operation(
    'setxattr',
    (fs, { nodeid, cursor, caller, connection }) =>
      fs.setxattr(decodeSetxattr(cursor, nodeid, connection.setxattrExt), caller),
    nothing,
  ),
  [OPCODE.FUSE_GETXATTR]: operation(
    'getxattr',
    (fs, { nodeid, cursor, caller }) => {
      const room = cursor.u32();
      cursor.skip(4);
      const value = fs.getxattr(nodeid, cursor.text(), caller);
      return value instanceof Promise
        ? value.then((settled) => sizedValue(room, settled))
        : sizedValue(room, value);
    },
    putSized,
  ),
  [OPCODE.FUSE_LISTXATTR]: operation(
    'listxattr',
    (fs, { nodeid, cursor, caller }) => {
      const room = cursor.u32();
      const names = fs.listxattr(nodeid, caller);
      return names instanceof Promise
        ? names.then((settled) => sizedNames(room, settled))
        : sizedNames(room, names);
    },
    putSized,
  ),
  [OPCODE.FUSE_REMOVEXATTR]: operation(
    'removexattr',
    (fs, { nodeid, cursor, caller }) => fs.removexattr(nodeid, cursor.text(), caller),
    nothing,
  ),
};
