import { isOverlayXattr, storedXattrName } from '../overlay/overlay-xattrs.js';
import { typeOf, type Node } from '../overlay/node.js';
import { S_IFLNK } from '../sys/constants.js';
import { withShortPath } from '../sys/deep-path.js';
import { fchmodat, fchownat, utimensat, type Time } from '../sys/directory.js';
import { getxattr, listxattr, removexattr, setxattr } from '../sys/xattr.js';
import { fstatat } from '../sys/stat.js';
import { isSystemError } from '../sys/errno.js';
import type { ByteName } from '../util/byte-name.js';
import type { Owners } from './owners.js';

const ACCESS_ACL = 'system.posix_acl_access';
const GROUP_BITS = 0o070;

/** What an inode has besides its content; JSON. */
export interface Metadata {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly atime: Time;
  readonly mtime: Time;
  /** Names as they are on the disk, values in base64. */
  readonly xattrs: readonly (readonly [ByteName, string])[];
}

/** What to keep of a node; throws EINVAL for an owner that cannot be kept. */
export function metadataOf(node: Node, owners: Owners): Metadata {
  const { mode, uid, gid, xattr } = owners.stored(node);
  const xattrs = [...(node.xattrs ?? []), ...(xattr === undefined ? [] : [xattr])];
  return {
    mode,
    uid,
    gid,
    atime: { sec: node.atimeSec, nsec: node.atimeNsec },
    mtime: { sec: node.mtimeSec, nsec: node.mtimeNsec },
    xattrs: xattrs.map(([name, value]) => [storedXattrName(name), value.toString('base64')]),
  };
}

/**
 * Gives a file on the disk its metadata; notes of overlay file systems stay. Of a directory after
 * its entries, which change its times and inherit its ACL. Idempotent. An attribute that the file
 * system does not take is thrown at the end, once the file has all the others.
 */
export function applyMetadata(path: Buffer, metadata: Metadata): void {
  withShortPath(path, (at) => {
    const { mode, uid, gid, atime, mtime } = metadata;
    const isSymlink = typeOf(mode) === S_IFLNK;
    const before = fstatat(undefined, at);
    // In this order: a change of owner clears set-id bits and capabilities. An owner without a
    // mapping is shown as another, to which nobody can be changed, and stays.
    if (before?.uid !== uid || before.gid !== gid) fchownat(undefined, at, uid, gid);
    if (!isSymlink) fchmodat(undefined, at, mode & 0o7777);
    const failure = applyXattrs(at, metadata);
    utimensat(undefined, at, { atime, mtime });
    if (failure !== undefined) throw failure;
  });
}

/** Returns the first failure. */
function applyXattrs(path: Buffer, { mode, xattrs }: Metadata): Error | undefined {
  let failure: Error | undefined;
  const wanted = new Set(xattrs.map(([name]) => name));
  for (const name of listxattr(path)) {
    if (!wanted.has(name) && !isOverlayXattr(name)) removexattr(path, name);
  }
  for (const [name, text] of xattrs) {
    const value = Buffer.from(text, 'base64');
    if (getxattr(path, name)?.equals(value) === true) continue;
    try {
      setxattr(path, name, value);
    } catch (error) {
      if (!isSystemError(error)) throw error;
      // The group's bits of the mode are the ACL's mask: without it they would say too much.
      if (name === ACCESS_ACL) fchmodat(undefined, path, mode & ~GROUP_BITS & 0o7777);
      failure ??= error;
    }
  }
  return failure;
}
