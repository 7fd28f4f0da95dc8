import type { Caller } from '../fuse/filesystem.js';
import { S_IFREG, XATTR_CREATE, XATTR_REPLACE } from '../sys/constants.js';
import { FsError } from '../sys/errno.js';
import type { ByteName } from '../util/byte-name.js';
import { isAclName, setAcl } from './acl.js';
import { stampChange } from './clock.js';
import { isDirMode, typeOf, type Node } from './node.js';
import type { Tree } from './tree.js';

/** Linux's limits of one name and one value. */
const XATTR_NAME_MAX = 255;
const XATTR_SIZE_MAX = 65536;
/** All of a node, as Linux lets `listxattr` return. */
const XATTR_LIST_MAX = 65536;
/** ACLs, of `system.`, are apart: they belong with the mode. */
const TRUSTED = 'trusted.';
const NAMESPACES = ['user.', TRUSTED, 'security.'];

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
  if (isAclName(name)) {
    setAcl(node, name, value, change.killSgid);
    stampChange(node, tree.now());
    tree.touch(node);
    return;
  }
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
  node.xattrs = xattrs;
  stampChange(node, tree.now());
  tree.touch(node);
}

/** getxattr(2). */
export function getXattr(node: Node, name: ByteName): Buffer | undefined {
  const value = node.xattrs?.get(name);
  // The kernel asks for ACLs itself, of symbolic links too.
  if (value === undefined && !isAclName(name)) assertNamespace(name, 'getxattr');
  return value;
}

/** listxattr(2): what only root may get is not shown to others. */
export function listXattrs({ xattrs }: Node, { uid }: Caller): readonly ByteName[] {
  if (xattrs === undefined) return [];
  const names = [...xattrs.keys()];
  return uid === 0 ? names : names.filter((name) => !name.startsWith(TRUSTED));
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
  assertNamespace(name, 'setxattr');
  if (!name.startsWith('user.')) return;
  if (typeOf(node.mode) !== S_IFREG && !isDirMode(node.mode))
    throw new FsError('EPERM', 'setxattr');
}

function assertNamespace(name: ByteName, syscall: string): void {
  const namespace = NAMESPACES.find((prefix) => name.startsWith(prefix));
  if (namespace === undefined) throw new FsError('EOPNOTSUPP', syscall);
  if (namespace.length === name.length) throw new FsError('EINVAL', syscall);
}
