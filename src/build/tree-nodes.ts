import type { InodeMeta } from '../layer/types.js';
import type { NodeMake, NodeMeta, TreeNode } from '../overlay/image-tree.js';
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '../sys/constants.js';
import { decodeDev, encodeDev } from '../sys/device-number.js';
import type { ByteName } from '../util/byte-name.js';

/** What an inode is. `special`: a device, a fifo or a socket. */
export type NodeKind = 'file' | 'dir' | 'symlink' | 'special';

/** The kind that the type bits of a mode say. */
export function kindOfMode(mode: number): NodeKind {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return 'file';
    case S_IFDIR:
      return 'dir';
    case S_IFLNK:
      return 'symlink';
    default:
      return 'special';
  }
}

/** Whether a node is there and is a directory. */
export function isDirectory(
  node: TreeNode | undefined,
): node is TreeNode & { readonly isDir: true } {
  return node?.isDir === true;
}

/** A layer's metadata of a node of an image. */
export function metaOfNode(node: TreeNode): InodeMeta {
  const { mode, uid, gid, mtimeSec, mtimeNsec, rdev, xattrs } = node;
  const { major, minor } = decodeDev(rdev);
  return {
    mode,
    uid,
    gid,
    mtimeSec,
    mtimeNsec,
    xattrs,
    rdevMajor: major,
    rdevMinor: minor,
  };
}

/** Metadata as the tree takes it. */
export function nodeMeta({ mode, uid, gid, mtimeSec, mtimeNsec, xattrs }: InodeMeta): NodeMeta {
  return { mode, uid, gid, mtime: { sec: mtimeSec, nsec: mtimeNsec }, xattrs };
}

/** What to make of metadata that has type bits; `target`: of a symbolic link. */
export function nodeMake(meta: InodeMeta, target?: ByteName): NodeMake {
  const kind = kindOfMode(meta.mode);
  switch (kind) {
    case 'dir':
    case 'file':
      return { kind };
    case 'symlink':
      return { kind, target: target ?? ('' as ByteName) };
    case 'special': {
      const rdev = encodeDev(meta.rdevMajor, meta.rdevMinor);
      return { kind, type: meta.mode & S_IFMT, rdev };
    }
  }
}
