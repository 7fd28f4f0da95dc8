import { FsError } from '../../sys/errno.js';
import { OPCODE } from './abi.js';
import type { Attr, Entry } from '../filesystem.js';
import type { Exchange, Operations } from './operation.js';
import { nothing, operation } from './operation.js';
import { encodeAttr, encodeEntry, encodeNegativeEntry } from './reply.js';
import {
  decodeLink,
  decodeMkdir,
  decodeMknod,
  decodeRename,
  decodeRename2,
  decodeSetattr,
  decodeSymlink,
} from './request.js';

/** The kernel takes no longer target, with its NUL. */
const PATH_MAX = 4096;

function putEntry({ reply, connection }: Exchange, entry: Entry): void {
  encodeEntry(reply, entry, connection.timeouts);
}

function putAttr({ reply, connection }: Exchange, attr: Attr): void {
  encodeAttr(reply, attr, connection.timeouts);
}

function putFound(exchange: Exchange, entry: Entry | undefined): void {
  const { negativeSec } = exchange.connection;
  if (entry !== undefined) putEntry(exchange, entry);
  else if (negativeSec > 0) encodeNegativeEntry(exchange.reply, negativeSec);
  else throw new FsError('ENOENT', 'lookup');
}

/** Names and attributes. */
export const NODE_OPERATIONS: Operations = {
  [OPCODE.FUSE_LOOKUP]: operation(
    'lookup',
    (fs, { nodeid, cursor, caller }) => fs.lookup(nodeid, cursor.lookupName(), caller),
    putFound,
  ),
  [OPCODE.FUSE_GETATTR]: operation(
    'getattr',
    (fs, { nodeid, caller }) => fs.getattr(nodeid, caller),
    putAttr,
  ),
  [OPCODE.FUSE_SETATTR]: operation(
    'setattr',
    (fs, { nodeid, cursor, caller }) => fs.setattr(nodeid, decodeSetattr(cursor), caller),
    putAttr,
  ),
  [OPCODE.FUSE_READLINK]: operation(
    'readlink',
    (fs, { nodeid, caller }) => fs.readlink(nodeid, caller),
    ({ reply }, target) => {
      if (target.length >= PATH_MAX) throw new FsError('ENAMETOOLONG', 'readlink');
      reply.bytes(target);
    },
  ),
  [OPCODE.FUSE_MKNOD]: operation(
    'mknod',
    (fs, { nodeid, cursor, caller }) => fs.mknod(decodeMknod(cursor, nodeid), caller),
    putEntry,
  ),
  [OPCODE.FUSE_MKDIR]: operation(
    'mkdir',
    (fs, { nodeid, cursor, caller }) => fs.mkdir(decodeMkdir(cursor, nodeid), caller),
    putEntry,
  ),
  [OPCODE.FUSE_SYMLINK]: operation(
    'symlink',
    (fs, { nodeid, cursor, caller }) => {
      const { name, target } = decodeSymlink(cursor);
      return fs.symlink(nodeid, name, target, caller);
    },
    putEntry,
  ),
  [OPCODE.FUSE_LINK]: operation(
    'link',
    (fs, { nodeid: parent, cursor, caller }) => {
      const { nodeid, name } = decodeLink(cursor);
      return fs.link(nodeid, parent, name, caller);
    },
    putEntry,
  ),
  [OPCODE.FUSE_UNLINK]: operation(
    'unlink',
    (fs, { nodeid, cursor, caller }) => fs.unlink(nodeid, cursor.name(), caller),
    nothing,
  ),
  [OPCODE.FUSE_RMDIR]: operation(
    'rmdir',
    (fs, { nodeid, cursor, caller }) => fs.rmdir(nodeid, cursor.name(), caller),
    nothing,
  ),
  [OPCODE.FUSE_RENAME]: operation(
    'rename',
    (fs, { nodeid, cursor, caller }) => fs.rename(decodeRename(cursor, nodeid), caller),
    nothing,
  ),
  [OPCODE.FUSE_RENAME2]: operation(
    'rename',
    (fs, { nodeid, cursor, caller }) => fs.rename(decodeRename2(cursor, nodeid), caller),
    nothing,
  ),
  [OPCODE.FUSE_ACCESS]: operation(
    'access',
    (fs, { nodeid, cursor, caller }) => fs.access(nodeid, cursor.u32(), caller),
    nothing,
  ),
};
