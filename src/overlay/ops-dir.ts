import type { Caller } from '../fuse/filesystem.js';
import { PATH_MAX, S_IFDIR, S_IFLNK, S_ISGID } from '../sys/constants.js';
import { FsError } from '../sys/errno.js';
import type { ByteName } from '../util/byte-name.js';
import { inheritAcl } from './acl.js';
import { stampChange, stampNew } from './clock.js';
import { Directory, isDirMode, type Node } from './node.js';
import { isDirNode, type DirNode, type Tree } from './tree.js';

/** ext4's limit of names per file. */
const LINK_MAX = 65000;

/** What is to be made. `mode` has the type bits. */
export interface Make {
  readonly parent: DirNode;
  readonly name: ByteName;
  readonly mode: number;
  readonly rdev?: number;
  /** What the caller does not grant; not asked where the directory has a default ACL. */
  readonly umask?: number;
  /** Of a symlink. */
  readonly target?: ByteName;
}

/** Whose the new node is. */
export type Owner = Pick<Caller, 'uid' | 'gid'>;

/** mknod, mkdir, symlink and the making half of creat. */
export function makeNode(tree: Tree, make: Make, owner: Owner): Node {
  const { parent, name } = make;
  tree.assertCanAdd(parent, name, 'mknod');
  if (tree.lookup(parent, name) !== undefined) throw new FsError('EEXIST', 'mknod');
  const node = newNode(tree, make, owner);
  tree.attach(parent, name, node);
  tree.touchDir(parent);
  tree.touch(node);
  return node;
}

/** A node without a name yet: what O_TMPFILE makes. */
export function makeTmpfile(tree: Tree, make: Omit<Make, 'name'>, owner: Owner): Node {
  tree.assertWritable('open');
  if (make.parent.links === 0) throw new FsError('ENOENT', 'open');
  const node = newNode(tree, make, owner);
  tree.unname(node);
  node.changed = true;
  return node;
}

/** A node that has no name yet, with what it inherits of its directory. */
export function newNode(tree: Tree, make: Omit<Make, 'name'>, owner: Owner): Node {
  const { parent, mode, rdev = 0, umask = 0, target } = make;
  const isDir = isDirMode(mode);
  const node = tree.newNode(mode, isDir ? new Directory([], 0) : undefined);
  node.uid = owner.uid;
  node.gid = owner.gid;
  node.rdev = rdev;
  if ((parent.mode & S_ISGID) !== 0) {
    node.gid = parent.gid;
    if (isDir) node.mode |= S_ISGID;
  }
  if (target !== undefined) {
    node.target = target;
    node.size = target.length;
  } else {
    inheritAcl(parent, node, umask);
  }
  stampNew(node, tree.now());
  return node;
}

/** mkdir(2). */
export function makeDir(tree: Tree, make: Make, owner: Owner): Node {
  return makeNode(tree, { ...make, mode: (make.mode & 0o7777) | S_IFDIR }, owner);
}

/** symlink(2). */
export function makeSymlink(
  tree: Tree,
  make: { parent: DirNode; name: ByteName; target: ByteName },
  owner: Owner,
): Node {
  if (make.target.length >= PATH_MAX) throw new FsError('ENAMETOOLONG', 'symlink');
  return makeNode(tree, { ...make, mode: S_IFLNK | 0o777 }, owner);
}

/** link(2): EPERM for directories, ENOENT for a node without a name (but O_TMPFILE's). */
export function linkNode(tree: Tree, node: Node, parent: DirNode, name: ByteName): Node {
  tree.assertCanAdd(parent, name, 'link');
  if (node.isDir) throw new FsError('EPERM', 'link');
  if (tree.lookup(parent, name) !== undefined) throw new FsError('EEXIST', 'link');
  if (node.links >= LINK_MAX) throw new FsError('EMLINK', 'link');
  tree.attach(parent, name, node);
  node.links += 1;
  node.relinked = true;
  node.synthetic = false;
  stampChange(node, tree.now());
  tree.touchDir(parent);
  tree.touch(node);
  return node;
}

function lookupToRemove(tree: Tree, parent: DirNode, name: ByteName, syscall: string): Node {
  tree.assertWritable(syscall);
  if (name.length > 255) throw new FsError('ENAMETOOLONG', syscall);
  const node = tree.lookup(parent, name);
  if (node === undefined) throw new FsError('ENOENT', syscall);
  return node;
}

/** unlink(2). */
export function unlinkName(tree: Tree, parent: DirNode, name: ByteName): void {
  const node = lookupToRemove(tree, parent, name, 'unlink');
  if (node.isDir) throw new FsError('EISDIR', 'unlink');
  removeName(tree, parent, name, node);
  tree.touchDir(parent);
}

/** rmdir(2). */
export function removeDir(tree: Tree, parent: DirNode, name: ByteName): void {
  const node = lookupToRemove(tree, parent, name, 'rmdir');
  if (!isDirNode(node)) throw new FsError('ENOTDIR', 'rmdir');
  if (!tree.isEmpty(node)) throw new FsError('ENOTEMPTY', 'rmdir');
  removeName(tree, parent, name, node);
  tree.touchDir(parent);
}

/** Takes a name away and what only it kept alive. The caller stamps the directory. */
export function removeName(tree: Tree, parent: DirNode, name: ByteName, node: Node): void {
  tree.detach(parent, name, node);
  stampChange(node, tree.now());
  tree.unlinked(node);
}
