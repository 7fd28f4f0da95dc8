import { FsError } from '../sys/errno.js';
import type { Node } from './node.js';
import type { Tree } from './tree.js';

/*
 * ioctl(2) numbers of linux/fs.h. The kernel itself asks with four bytes of flags, a program may
 * give the eight that the number says.
 */
const FS_IOC_GETFLAGS = 0x80086601;
const FS_IOC_SETFLAGS = 0x40086602;
const FS_IOC_FSGETXATTR = 0x801c581f;
const FS_IOC_FSSETXATTR = 0x401c5820;
const FLAGS_BYTES = 4;
/** struct fsxattr: u32 xflags extsize nextents projid cowextsize, and padding. */
const FSXATTR = { bytes: 28, xflags: 0, extsize: 4, projid: 12, cowextsize: 16 } as const;

/**
 * The inode flags of chattr(1) and lsattr(1). A layer has no place for them, and `immutable` or
 * `append-only` would need the kernel's help: no file has any, and setting one is EOPNOTSUPP.
 * Any other command is ENOTTY.
 */
export function controlFile(tree: Tree, node: Node, command: number, argument: Buffer): Buffer {
  switch (command) {
    case FS_IOC_GETFLAGS:
      return Buffer.alloc(FLAGS_BYTES);
    case FS_IOC_FSGETXATTR:
      return Buffer.alloc(FSXATTR.bytes);
    case FS_IOC_SETFLAGS:
      return setNone(tree, argument, FLAGS_BYTES, [0]);
    case FS_IOC_FSSETXATTR: {
      const { xflags, extsize, projid, cowextsize } = FSXATTR;
      return setNone(tree, argument, FSXATTR.bytes, [xflags, extsize, projid, cowextsize]);
    }
    default:
      throw new FsError('ENOTTY', `ioctl of inode ${node.ino}`);
  }
}

/** Accepts an argument whose fields are all 0. */
function setNone(tree: Tree, argument: Buffer, bytes: number, fields: readonly number[]): Buffer {
  tree.assertWritable('ioctl');
  if (argument.length < bytes) throw new FsError('EINVAL', 'ioctl');
  if (fields.some((offset) => argument.readUInt32LE(offset) !== 0)) {
    throw new FsError('EOPNOTSUPP', 'ioctl');
  }
  return Buffer.alloc(0);
}
