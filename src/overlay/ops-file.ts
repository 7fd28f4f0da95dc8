import type { Caller } from '../fuse/filesystem.js';
import {
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_ZERO_RANGE,
  S_IFREG,
} from '../sys/constants.js';
import { FsError } from '../sys/errno.js';
import { CONTENT_MEMORY_BYTES_MAX } from './contents.js';
import { copyRange } from './copy-bytes.js';
import { typeOf, type Node } from './node.js';
import { killSuidgid } from './ops-attr.js';
import type { Tree } from './tree.js';

const SIZE_BYTES_MAX = Number.MAX_SAFE_INTEGER;
const CHUNK_BYTES = 1024 * 1024;

function assertRegular(node: Node, syscall: string): void {
  if (node.isDir) throw new FsError('EISDIR', syscall);
  if (typeOf(node.mode) !== S_IFREG) throw new FsError('EINVAL', syscall);
}

/** A stretch of bytes to write. */
export interface FileWrite {
  readonly offset: number;
  readonly data: Buffer;
  readonly killSuidgid: boolean;
  readonly caller: Caller;
}

/**
 * Writes to a file. Times are left alone: with its write-back cache the kernel owns them, and
 * sends them when it has written.
 */
export function writeFile(tree: Tree, node: Node, write: FileWrite): number {
  tree.assertWritable('write');
  assertRegular(node, 'write');
  const { offset, data } = write;
  if (data.length === 0) return 0;
  if (offset + data.length > SIZE_BYTES_MAX) throw new FsError('EFBIG', 'write');
  tree.contents.write(node, data, offset);
  if (write.killSuidgid) killSuidgid(node, write.caller);
  if (!node.changed) tree.touch(node);
  return data.length;
}

/** A stretch for fallocate(2). */
export interface Stretch {
  readonly offset: number;
  readonly length: number;
  readonly mode: number;
}

/**
 * fallocate(2): allocate, keep the size, punch a hole, zero. EOPNOTSUPP for the rest (the kernel
 * lets no other mode through to FUSE), and where the file system below does not have it. Times
 * are left alone, as by {@link writeFile}.
 */
export function allocate(tree: Tree, node: Node, { offset, length, mode }: Stretch): void {
  tree.assertWritable('fallocate');
  assertRegular(node, 'fallocate');
  const end = offset + length;
  if (end > SIZE_BYTES_MAX) throw new FsError('EFBIG', 'fallocate');
  const keep = (mode & FALLOC_FL_KEEP_SIZE) !== 0;
  const { contents } = tree;
  const within = (work: (stop: number) => void): void => {
    if (offset < node.size) work(Math.min(end, node.size));
  };
  switch (mode & ~FALLOC_FL_KEEP_SIZE) {
    case 0:
      contents.reserve(node, offset, end, keep);
      break;
    case FALLOC_FL_PUNCH_HOLE:
      if (!keep) throw new FsError('EOPNOTSUPP', 'fallocate');
      within((stop) => contents.zero(node, offset, stop, 'hole'));
      break;
    case FALLOC_FL_ZERO_RANGE:
      if (!keep && end > node.size) contents.truncate(node, end);
      within((stop) => contents.zero(node, offset, stop, 'data'));
      break;
    default:
      throw new FsError('EOPNOTSUPP', 'fallocate');
  }
  contents.measure(node);
  tree.touch(node);
}

/** Both ends of a copy_file_range(2). */
export interface CopyEnds {
  readonly from: Node;
  readonly fromOffset: number;
  readonly to: Node;
  readonly toOffset: number;
  readonly length: number;
}

/**
 * copy_file_range(2); returns the bytes copied. A whole lower file is shared, not copied. Times
 * are left alone, as by {@link writeFile}.
 */
export function copyFileBytes(tree: Tree, copy: CopyEnds): number {
  const { from, fromOffset, to, toOffset } = copy;
  tree.assertWritable('copy_file_range');
  assertRegular(from, 'copy_file_range');
  assertRegular(to, 'copy_file_range');
  const length = Math.min(copy.length, from.size - fromOffset);
  if (length <= 0) return 0;
  if (toOffset + length > SIZE_BYTES_MAX) throw new FsError('EFBIG', 'copy_file_range');
  const whole = fromOffset === 0 && toOffset === 0 && to.size === 0 && length === from.size;
  if (!whole || !tree.contents.tryShare(from, to)) {
    copyThrough(tree, { ...copy, length });
  }
  tree.touch(to);
  return length;
}

function copyThrough(tree: Tree, { from, fromOffset, to, toOffset, length }: CopyEnds): void {
  const { contents } = tree;
  const { content } = from;
  const large = toOffset + length > CONTENT_MEMORY_BYTES_MAX;
  if (large && from !== to && content !== undefined && content.kind !== 'memory') {
    const toFd = contents.ownFd(to);
    const { fd, start } = contents.locate(content);
    copyRange({ from: fd, fromOffset: start + fromOffset, to: toFd, toOffset, length });
    to.size = Math.max(to.size, toOffset + length);
    to.digest = undefined;
    return;
  }
  const buffer = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, length));
  for (let done = 0; done < length;) {
    const chunk = buffer.subarray(0, length - done);
    const count = contents.read(from, chunk, fromOffset + done);
    if (count === 0) throw new FsError('EIO', 'copy_file_range');
    contents.write(to, chunk.subarray(0, count), toOffset + done);
    done += count;
  }
}
