import type { Time } from '../../fuse/filesystem.js';
import {
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_ZERO_RANGE,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_ISGID,
  S_ISUID,
  S_IXGRP,
} from '../../sys/constants.js';
import { FsError } from '../../sys/errno.js';
import { patternOf, type ModelStat, type OperationFields, type Outcome } from './operations.js';

const CAPABILITY = 'security.capability';

/** An inode of the model. */
export interface ModelInode {
  readonly id: number;
  mode: number;
  uid: number;
  gid: number;
  nlink: number;
  major: number;
  minor: number;
  data: Buffer;
  target: string;
  /** O_TMPFILE's, until it gets its first name. */
  linkable: boolean;
  parent: ModelInode | undefined;
  readonly children: Map<string, ModelInode> | undefined;
  readonly xattrs: Map<string, Buffer>;
  atime: Time | undefined;
  mtime: Time | undefined;
  ctime: Time | undefined;
}

/** An inode that is a directory. */
export type ModelDir = ModelInode & { readonly children: Map<string, ModelInode> };

/** Fails as a system call does. */
export function fail(code: string): never {
  throw new FsError(code, 'model');
}

/** Whether it is a directory. */
export function isDir(node: ModelInode | undefined): node is ModelDir {
  return node?.children !== undefined;
}

/** Whether a mode is of this type. */
export function isType(node: ModelInode, type: number): boolean {
  return (node.mode & S_IFMT) === type;
}

/** Its attributes. */
export function stat(node: ModelInode): ModelStat {
  const { id: ino, mode, uid, gid, nlink, atime, mtime, ctime } = node;
  const size = isType(node, S_IFLNK) ? node.target.length : node.data.length;
  const times = { atime, mtime, ctime };
  return {
    ino,
    mode,
    uid,
    gid,
    nlink,
    size,
    rdevMajor: node.major,
    rdevMinor: node.minor,
    ...times,
  };
}

/** What it holds changed. */
export function content(node: ModelInode, now: Time): void {
  node.xattrs.delete(CAPABILITY);
  node.mtime = node.ctime = now;
}

/** Cuts or extends it with zeros. */
export function resize(node: ModelInode, size: number): void {
  const old = node.data;
  if (size <= old.length) node.data = Buffer.from(old.subarray(0, size));
  else node.data = Buffer.concat([old, Buffer.alloc(size - old.length)]);
}

/** truncate(2). */
export function truncate(node: ModelInode, now: Time, size: number): void {
  if (isDir(node)) fail('EISDIR');
  if (!isType(node, S_IFREG)) fail('EINVAL');
  const same = node.data.length === size;
  resize(node, size);
  content(node, now);
  // Linux's file systems do not agree on whether that changes anything.
  if (same) node.mtime = node.ctime = undefined;
}

/** chmod(2). */
export function chmod(node: ModelInode, now: Time, mode: number): void {
  node.mode = (node.mode & S_IFMT) | mode;
  node.ctime = now;
}

/** chown(2). */
export function chown(
  node: ModelInode,
  now: Time,
  { uid, gid }: { uid: number; gid: number },
): void {
  if (uid >= 0) node.uid = uid;
  if (gid >= 0) node.gid = gid;
  node.ctime = now;
  if (isDir(node)) return;
  node.mode &= ~S_ISUID;
  if ((node.mode & S_IXGRP) !== 0) node.mode &= ~S_ISGID;
  node.xattrs.delete(CAPABILITY);
}

/** utimensat(2). */
export function utimens(
  node: ModelInode,
  now: Time,
  { atime, mtime }: { atime?: Time; mtime?: Time },
): void {
  if (atime === undefined && mtime === undefined) return;
  node.atime = atime ?? node.atime;
  node.mtime = mtime ?? node.mtime;
  node.ctime = now;
}

/** Only files and directories have attributes of users. */
export function assertXattr(node: ModelInode, name: string): void {
  const holds = isDir(node) || isType(node, S_IFREG);
  if (name.startsWith('user.') && !holds) fail('EPERM');
}

/** pwrite(2). */
export function write(
  node: ModelInode,
  now: Time,
  { offset, length, seed }: OperationFields['write'],
): Outcome {
  if (length === 0) return { count: 0 };
  if (offset + length > node.data.length) resize(node, offset + length);
  patternOf(seed, length).copy(node.data, offset);
  content(node, now);
  return { count: length };
}

/** fallocate(2). */
export function fallocate(
  node: ModelInode,
  now: Time,
  { mode, offset, length }: OperationFields['fallocate'],
): void {
  const end = offset + length;
  const keep = (mode & FALLOC_FL_KEEP_SIZE) !== 0;
  if (!keep && end > node.data.length) resize(node, end);
  if ((mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) !== 0) {
    node.data.fill(0, Math.min(offset, node.data.length), Math.min(end, node.data.length));
  }
  content(node, now);
  node.mtime = node.ctime = undefined;
}
