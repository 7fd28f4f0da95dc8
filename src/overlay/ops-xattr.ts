import { S_IFREG, S_ISGID, XATTR_CREATE, XATTR_REPLACE } from '../sys/constants.js';
import { FsError } from '../sys/errno.js';
import type { ByteName } from '../util/byte-name.js';
import { ACL_ACCESS, isMinimalAcl } from './acl.js';
import { stampChange } from './clock.js';
import { isDirMode, typeOf, type Node } from './node.js';
import type { Tree } from './tree.js';

/** Linux's limits of one name and one value. */
const XATTR_NAME_MAX = 255;
const XATTR_SIZE_MAX = 65536;
/** All of a node, as Linux lets `listxattr` return. */
const XATTR_LIST_MAX = 65536;
const NAMESPACES = ['user.', 'trusted.', 'security.', 'system.posix_acl_'];

/** setxattr(2); `flags` are XATTR_CREATE, XATTR_REPLACE. */
export interface XattrChange {
  readonly name: ByteName;
  readonly value: Buffer;
  readonly flags: number;
  readonly killSgid: boolean;
}

/** setxattr(2). */
export function setXattr(tree: Tree, node: Node, change: XattrChange): void {
  const { name, value, flags } = change;
  tree.assertWritable('setxattr');
  assertName(node, name);
  if (value.length > XATTR_SIZE_MAX) throw new FsError('E2BIG', 'setxattr');
  const exists = node.xattrs?.has(name) === true;
  if (exists && (flags & XATTR_CREATE) !== 0) throw new FsError('EEXIST', 'setxattr');
  if (!exists && (flags & XATTR_REPLACE) !== 0) throw new FsError('ENODATA', 'setxattr');
  const xattrs = new Map(node.xattrs);
  // The request's buffer is used again.
  xattrs.set(name, Buffer.from(value));
  let listBytes = 0;
  for (const key of xattrs.keys()) listBytes += key.length + 1;
  if (listBytes > XATTR_LIST_MAX) throw new FsError('ENOSPC', 'setxattr');
  if (name === ACL_ACCESS) {
    node.mode = modeOfAcl(node.mode, value);
    if (isMinimalAcl(value)) xattrs.delete(name);
  }
  if (change.killSgid) node.mode &= ~S_ISGID;
  node.xattrs = xattrs.size === 0 ? undefined : xattrs;
  stampChange(node, tree.now());
  tree.touch(node);
}

/** removexattr(2). */
export function removeXattr(tree: Tree, node: Node, name: ByteName): void {
  tree.assertWritable('removexattr');
  if (node.xattrs?.has(name) !== true) throw new FsError('ENODATA', 'removexattr');
  const xattrs = new Map(node.xattrs);
  xattrs.delete(name);
  node.xattrs = xattrs.size === 0 ? undefined : xattrs;
  stampChange(node, tree.now());
  tree.touch(node);
}

function assertName(node: Node, name: ByteName): void {
  if (name.length > XATTR_NAME_MAX) throw new FsError('ERANGE', 'setxattr');
  if (!NAMESPACES.some((prefix) => name.startsWith(prefix))) {
    throw new FsError('EOPNOTSUPP', 'setxattr');
  }
  if (!name.startsWith('user.')) return;
  if (typeOf(node.mode) !== S_IFREG && !isDirMode(node.mode))
    throw new FsError('EPERM', 'setxattr');
}

/** The permission bits that an access ACL stands for: owner, mask or group, other. */
function modeOfAcl(mode: number, acl: Buffer): number {
  const permissions = new Map<number, number>();
  for (let at = 4; at + 8 <= acl.length; at += 8) {
    const tag = acl.readUInt16LE(at);
    if (!permissions.has(tag)) permissions.set(tag, acl.readUInt16LE(at + 2) & 7);
  }
  const owner = permissions.get(0x01);
  const group = permissions.get(0x10) ?? permissions.get(0x04);
  const other = permissions.get(0x20);
  if (owner === undefined || group === undefined || other === undefined) return mode;
  return (mode & ~0o777) | (owner << 6) | (group << 3) | other;
}
