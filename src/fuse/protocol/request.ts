/**
 * Decoders of request arguments, one per struct of linux/fuse.h (7.45). Each reads what follows
 * the in_header: fields in order, then names with their NUL. For example MKDIR "a", 0755:
 * `ed 41 00 00  12 00 00 00  61 00` is mode, umask, name (mkdir_in 8).
 */
import type { ByteName } from '../../util/byte-name.js';
import { S_IFDIR } from '../../sys/constants.js';
import {
  FATTR_ATIME,
  FATTR_ATIME_NOW,
  FATTR_CTIME,
  FATTR_GID,
  FATTR_KILL_SUIDGID,
  FATTR_MODE,
  FATTR_MTIME,
  FATTR_MTIME_NOW,
  FATTR_SIZE,
  FATTR_UID,
  FUSE_SETXATTR_ACL_KILL_SGID,
  FUSE_WRITE_KILL_SUIDGID,
} from './abi.js';
import type { Cursor } from './cursor.js';
import type {
  Allocate,
  CopyRange,
  Ioctl,
  MakeNode,
  NodeId,
  Rename,
  SetAttr,
  SetXattr,
  Write,
} from '../filesystem.js';

/** init_in, 64 bytes (16 without flags2). */
export interface InitIn {
  readonly major: number;
  readonly minor: number;
  readonly maxReadahead: number;
  readonly flags: number;
  readonly flags2: number;
}

export function decodeInit(cursor: Cursor): InitIn {
  const [major, minor] = [cursor.u32(), cursor.u32()];
  if (cursor.remaining < 8) return { major, minor, maxReadahead: 0, flags: 0, flags2: 0 };
  const [maxReadahead, flags] = [cursor.u32(), cursor.u32()];
  return { major, minor, maxReadahead, flags, flags2: cursor.remaining < 4 ? 0 : cursor.u32() };
}

/** A umode_t in a u32: 16 bits, whatever else is there. */
function decodeMode(cursor: Cursor): number {
  return cursor.u32() & 0xffff;
}

const NANOS_PER_SECOND = 1_000_000_000;

/** Below 1e9, whatever is there. */
function nanos(cursor: Cursor): number {
  return cursor.u32() % NANOS_PER_SECOND;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** setattr_in, 88 bytes: a field counts only where its bit of `valid` is set. */
export function decodeSetattr(cursor: Cursor): SetAttr {
  const valid = cursor.u32();
  cursor.skip(4 + 8);
  const change: Mutable<SetAttr> = { killSuidgid: (valid & FATTR_KILL_SUIDGID) !== 0 };
  if ((valid & FATTR_SIZE) !== 0) change.size = cursor.filePosition();
  else cursor.skip(8);
  cursor.skip(8);
  const [atimeSec, mtimeSec, ctimeSec] = [cursor.seconds(), cursor.seconds(), cursor.seconds()];
  const [atimeNsec, mtimeNsec, ctimeNsec] = [nanos(cursor), nanos(cursor), nanos(cursor)];
  const mode = decodeMode(cursor);
  cursor.skip(4);
  const [uid, gid] = [cursor.u32(), cursor.u32()];
  cursor.skip(4);
  if ((valid & FATTR_MODE) !== 0) change.mode = mode;
  if ((valid & FATTR_UID) !== 0) change.uid = uid;
  if ((valid & FATTR_GID) !== 0) change.gid = gid;
  if ((valid & FATTR_ATIME_NOW) !== 0) change.atime = 'now';
  else if ((valid & FATTR_ATIME) !== 0) change.atime = { sec: atimeSec, nsec: atimeNsec };
  if ((valid & FATTR_MTIME_NOW) !== 0) change.mtime = 'now';
  else if ((valid & FATTR_MTIME) !== 0) change.mtime = { sec: mtimeSec, nsec: mtimeNsec };
  if ((valid & FATTR_CTIME) !== 0) change.ctime = { sec: ctimeSec, nsec: ctimeNsec };
  return change;
}

/** mknod_in, 16 bytes, and a name. */
export function decodeMknod(cursor: Cursor, parent: NodeId): MakeNode {
  const [mode, rdev, umask] = [decodeMode(cursor), cursor.u32(), cursor.u32()];
  cursor.skip(4);
  return { parent, name: cursor.name(), mode, rdev, umask };
}

/** mkdir_in, 8 bytes, and a name; the mode gets its type bits. */
export function decodeMkdir(cursor: Cursor, parent: NodeId): MakeNode {
  const [mode, umask] = [cursor.u32(), cursor.u32()];
  return { parent, name: cursor.name(), mode: (mode & 0o7777) | S_IFDIR, rdev: 0, umask };
}

/** create_in, 16 bytes, and a name. `flags` are O_*. */
export function decodeCreate(cursor: Cursor, parent: NodeId): { make: MakeNode; flags: number } {
  const [flags, mode, umask] = [cursor.u32(), decodeMode(cursor), cursor.u32()];
  cursor.skip(4);
  return { make: { parent, name: cursor.name(), mode, rdev: 0, umask }, flags };
}

/** The same; the name, which means nothing, is a slash. */
export function decodeTmpfile(cursor: Cursor, parent: NodeId): { make: MakeNode; flags: number } {
  const [flags, mode, umask] = [cursor.u32(), decodeMode(cursor), cursor.u32()];
  cursor.skip(4);
  return { make: { parent, name: cursor.text(), mode, rdev: 0, umask }, flags };
}

/** SYMLINK: the new name, then the target. */
export function decodeSymlink(cursor: Cursor): { name: ByteName; target: Buffer } {
  const name = cursor.name();
  return { name, target: cursor.cString() };
}

/** rename_in, 8 bytes, and two names. */
export function decodeRename(cursor: Cursor, parent: NodeId): Rename {
  const newParent = cursor.u64();
  const name = cursor.name();
  return { parent, name, newParent, newName: cursor.name(), flags: 0 };
}

/** rename2_in, 16 bytes, and two names. */
export function decodeRename2(cursor: Cursor, parent: NodeId): Rename {
  const newParent = cursor.u64();
  const flags = cursor.u32();
  cursor.skip(4);
  const name = cursor.name();
  return { parent, name, newParent, newName: cursor.name(), flags };
}

/** link_in, 8 bytes, and a name; the header's node is the directory. */
export function decodeLink(cursor: Cursor): { nodeid: NodeId; name: ByteName } {
  const nodeid = cursor.u64();
  return { nodeid, name: cursor.name() };
}

/** read_in, 40 bytes; READDIR and READDIRPLUS have the same. */
export function decodeRead(cursor: Cursor): { fh: number; offset: number; size: number } {
  const [fh, offset, size] = [cursor.u64(), cursor.u64(), cursor.u32()];
  cursor.skip(4 + 8 + 4 + 4);
  return { fh, offset, size };
}

/** write_in, 40 bytes, and the data: a view of the request buffer. */
export function decodeWrite(cursor: Cursor, nodeid: NodeId): Write {
  const [fh, offset] = [cursor.u64(), cursor.filePosition()];
  const [size, writeFlags] = [cursor.u32(), cursor.u32()];
  cursor.skip(8 + 4 + 4);
  const killSuidgid = (writeFlags & FUSE_WRITE_KILL_SUIDGID) !== 0;
  return { nodeid, fh, offset, data: cursor.bytes(size), killSuidgid };
}

/** setxattr_in, 16 bytes (8 without SETXATTR_EXT), a name and the value: a view. */
export function decodeSetxattr(cursor: Cursor, nodeid: NodeId, extended: boolean): SetXattr {
  const [size, flags] = [cursor.u32(), cursor.u32()];
  const setxattrFlags = extended ? cursor.u32() : 0;
  if (extended) cursor.skip(4);
  const killSgid = (setxattrFlags & FUSE_SETXATTR_ACL_KILL_SGID) !== 0;
  const name = cursor.text();
  return { nodeid, name, value: Buffer.from(cursor.bytes(size)), flags, killSgid };
}

/** fallocate_in, 32 bytes. */
export function decodeFallocate(cursor: Cursor, nodeid: NodeId): Allocate {
  const [fh, offset, length] = [cursor.u64(), cursor.filePosition(), cursor.filePosition()];
  const mode = cursor.u32();
  cursor.skip(4);
  return { nodeid, fh, offset, length, mode };
}

/** ioctl_in, 32 bytes (u64 fh, u32 flags cmd, u64 arg, u32 in_size out_size), and the argument. */
export function decodeIoctl(cursor: Cursor, nodeid: NodeId): Ioctl {
  const [fh, flags, command] = [cursor.u64(), cursor.u32(), cursor.u32()];
  // The argument itself: a pointer, or a number that no safe integer may hold.
  cursor.skip(8);
  const [inSize, outSize] = [cursor.u32(), cursor.u32()];
  return { nodeid, fh, command, argument: cursor.bytes(inSize), outSize, flags };
}

/** copy_file_range_in, 56 bytes. */
export function decodeCopyFileRange(cursor: Cursor, nodeidIn: NodeId): CopyRange {
  const [fhIn, offsetIn] = [cursor.u64(), cursor.u64()];
  const [nodeidOut, fhOut, offsetOut] = [cursor.u64(), cursor.u64(), cursor.filePosition()];
  return { nodeidIn, fhIn, offsetIn, nodeidOut, fhOut, offsetOut, length: cursor.u64() };
}
