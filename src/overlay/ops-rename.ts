import { RENAME_EXCHANGE, RENAME_NOREPLACE, RENAME_WHITEOUT, S_IFCHR } from '../sys/constants.js';
import { FsError } from '../sys/errno.js';
import type { ByteName } from '../util/byte-name.js';
import { stampChange } from './clock.js';
import type { Node } from './node.js';
import { newNode, removeName, type Owner } from './ops-dir.js';
import { isDirNode, type DirNode, type Tree } from './tree.js';

/** Both ends of a rename; `flags` are RENAME_*. */
export interface RenameNames {
  readonly parent: DirNode;
  readonly name: ByteName;
  readonly newParent: DirNode;
  readonly newName: ByteName;
  readonly flags: number;
}

const FLAGS: readonly number[] = [
  0,
  RENAME_NOREPLACE,
  RENAME_EXCHANGE,
  RENAME_WHITEOUT,
  RENAME_NOREPLACE | RENAME_WHITEOUT,
];

/**
 * rename(2), renameat2(2). A directory moves with all that lower layers have in it. What
 * RENAME_WHITEOUT leaves is the device that programs expect, and no whiteout of this tree.
 */
export function renameName(tree: Tree, rename: RenameNames, owner: Owner): void {
  const { parent, name, newParent, newName, flags } = rename;
  tree.assertWritable('rename');
  const exchange = flags === RENAME_EXCHANGE;
  if (!FLAGS.includes(flags)) throw new FsError('EINVAL', 'rename');
  const node = tree.lookup(parent, name);
  if (node === undefined) throw new FsError('ENOENT', 'rename');
  tree.assertCanAdd(newParent, newName, 'rename');
  const target = tree.lookup(newParent, newName);
  if (exchange && target === undefined) throw new FsError('ENOENT', 'rename');
  if (target !== undefined && (flags & RENAME_NOREPLACE) !== 0) {
    throw new FsError('EEXIST', 'rename');
  }
  if (isInside(newParent, node)) throw new FsError('EINVAL', 'rename');
  if (target === node) return;
  if (exchange && target !== undefined) {
    if (isInside(parent, target)) throw new FsError('EINVAL', 'rename');
    exchangeNames(tree, rename, node, target);
    return;
  }
  if (target !== undefined) {
    assertReplaceable(tree, node, target, isInside(parent, target));
    removeName(tree, newParent, newName, target);
  }
  // What is replaced has its place in the listing already.
  if (newParent === parent && target === undefined) tree.renameListed(parent, name, newName);
  tree.detach(parent, name, node);
  tree.attach(newParent, newName, node);
  if ((flags & RENAME_WHITEOUT) !== 0) {
    const device = newNode(tree, { parent, mode: S_IFCHR, rdev: 0 }, owner);
    tree.attach(parent, name, device);
    tree.touch(device);
  }
  moved(tree, node);
  tree.touchDir(parent);
  if (newParent !== parent) tree.touchDir(newParent);
}

/** Whether `dir` is `node` or below it. */
function isInside(dir: Node, node: Node): boolean {
  if (!node.isDir) return false;
  for (let at: Node | undefined = dir; at !== undefined; at = at.link?.parent) {
    if (at === node) return true;
  }
  return false;
}

function assertReplaceable(tree: Tree, node: Node, target: Node, holdsSource: boolean): void {
  if (holdsSource) throw new FsError('ENOTEMPTY', 'rename');
  if (isDirNode(target)) {
    if (!node.isDir) throw new FsError('EISDIR', 'rename');
    if (!tree.isEmpty(target)) throw new FsError('ENOTEMPTY', 'rename');
  } else if (node.isDir) {
    throw new FsError('ENOTDIR', 'rename');
  }
}

function exchangeNames(tree: Tree, rename: RenameNames, node: Node, target: Node): void {
  const { parent, name, newParent, newName } = rename;
  tree.detach(parent, name, node);
  tree.detach(newParent, newName, target);
  tree.attach(parent, name, target);
  tree.attach(newParent, newName, node);
  moved(tree, node);
  moved(tree, target);
  tree.touchDir(parent);
  if (newParent !== parent) tree.touchDir(newParent);
}

function moved(tree: Tree, node: Node): void {
  stampChange(node, tree.now());
  node.synthetic = false;
  if (!node.isDir && node.links > 1) {
    node.relinked = true;
    tree.touch(node);
  }
}
