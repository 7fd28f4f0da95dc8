import { S_IFDIR, S_IFMT, S_ISGID, S_ISUID, S_IXGRP } from '../../sys/constants.js';
import { FsError } from '../../sys/errno.js';
import type { ByteName } from '../../util/byte-name.js';
import type { Attr, NodeId, Time } from '../filesystem.js';

/** A name in a directory; `offset` is where a listing goes on behind it. */
export interface MemoryEntry {
  readonly node: MemoryNode;
  readonly offset: number;
}

/** An inode in memory. */
export interface MemoryNode {
  readonly id: NodeId;
  mode: number;
  nlink: number;
  uid: number;
  gid: number;
  readonly rdev: number;
  atime: Time;
  mtime: Time;
  ctime: Time;
  /** Files: bytes, longer than `size` where room is kept. Symlinks: the target. */
  data: Buffer;
  size: number;
  /** Directories: in the order of their offsets. */
  readonly entries: Map<ByteName, MemoryEntry>;
  nextOffset: number;
  /** Directories: the one above; the root is its own. */
  parent: MemoryNode | undefined;
  readonly xattrs: Map<ByteName, Buffer>;
  /** How many times the kernel was told of it. */
  nlookup: number;
}

/** The longest file. */
export const FILE_BYTES_MAX: number = 2 ** 31 - 1;
const BLOCK_BYTES = 512;
const BLKSIZE = 4096;
/** The first offset behind `.` (1) and `..` (2). */
const OFFSET_MIN = 3;
const SECURITY_CAPABILITY = 'security.capability' as ByteName;

export function newNode(
  id: NodeId,
  owner: { readonly mode: number; readonly uid: number; readonly gid: number },
  now: Time,
  rdev = 0,
): MemoryNode {
  return {
    id,
    mode: owner.mode,
    nlink: 0,
    uid: owner.uid,
    gid: owner.gid,
    rdev,
    atime: now,
    mtime: now,
    ctime: now,
    data: Buffer.alloc(0),
    size: 0,
    entries: new Map(),
    nextOffset: OFFSET_MIN,
    parent: undefined,
    xattrs: new Map(),
    nlookup: 0,
  };
}

export function isDir(node: MemoryNode): boolean {
  return (node.mode & S_IFMT) === S_IFDIR;
}

export function attrOf(node: MemoryNode): Attr {
  const { atime, mtime, ctime } = node;
  // One literal: spreads cost 12 µs here.
  return {
    ino: node.id,
    size: node.size,
    blocks: Math.ceil(node.size / BLOCK_BYTES),
    atimeSec: atime.sec,
    atimeNsec: atime.nsec,
    mtimeSec: mtime.sec,
    mtimeNsec: mtime.nsec,
    ctimeSec: ctime.sec,
    ctimeNsec: ctime.nsec,
    mode: node.mode,
    nlink: node.nlink,
    uid: node.uid,
    gid: node.gid,
    rdev: node.rdev,
    blksize: BLKSIZE,
  };
}

/** Sets a file's size: new bytes are zero. EFBIG beyond {@link FILE_BYTES_MAX}. */
export function resize(node: MemoryNode, size: number): void {
  if (size > FILE_BYTES_MAX) throw new FsError('EFBIG', 'resize');
  if (size > node.data.length) {
    const room = Math.max(size, Math.min(node.data.length * 2, FILE_BYTES_MAX));
    const grown = Buffer.alloc(room);
    node.data.copy(grown, 0, 0, node.size);
    node.data = grown;
  } else if (size < node.size) {
    node.data.fill(0, size, node.size);
  }
  node.size = size;
}

const ZEROS = Buffer.alloc(BLKSIZE);

/** Where data (or else a hole: a block of zeros, or the end) begins, from `offset` on; ENXIO. */
export function seek(node: MemoryNode, offset: number, data: boolean): number {
  const { size } = node;
  if (offset >= size) throw new FsError('ENXIO', 'lseek');
  for (let at = offset; at < size; at = at - (at % BLKSIZE) + BLKSIZE) {
    const start = at - (at % BLKSIZE);
    const block = node.data.subarray(start, Math.min(start + BLKSIZE, size));
    const isData = !block.equals(ZEROS.subarray(0, block.length));
    if (isData === data) return at;
  }
  if (data) throw new FsError('ENXIO', 'lseek');
  return size;
}

/** What a change of content or owner takes away; `suidgid`: the set-id bits, too. */
export function killPrivileges(node: MemoryNode, suidgid: boolean): void {
  if (isDir(node)) return;
  node.xattrs.delete(SECURITY_CAPABILITY);
  if (!suidgid) return;
  node.mode &= ~S_ISUID;
  if ((node.mode & S_IXGRP) !== 0) node.mode &= ~S_ISGID;
}

/** A clock that never says the same twice: whoever compares times sees every change. */
export function strictClock(): () => Time {
  let last = 0n;
  const start = BigInt(Date.now()) * 1_000_000n - process.hrtime.bigint();
  return () => {
    const now = start + process.hrtime.bigint();
    last = now > last ? now : last + 1n;
    return { sec: Number(last / 1_000_000_000n), nsec: Number(last % 1_000_000_000n) };
  };
}
