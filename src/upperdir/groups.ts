import { loadNames } from '../overlay/load-names.js';
import { findLower, sameSources, type LowerRef } from '../overlay/lower.js';
import { linksOf, type Node } from '../overlay/node.js';
import { isSystemError } from '../sys/errno.js';
import { isDirNode, type DirNode, type Tree } from '../overlay/tree.js';

/**
 * A lower file with several names is written under all of them or under none: finds those that
 * are not loaded yet, and marks all. One that `isAdopted` is one inode whatever its names.
 */
export function completeGroups(tree: Tree, isAdopted: (node: Node) => boolean): void {
  const root = tree.root as DirNode;
  markMoved(tree, root, root.dir.sources);
  const missing: Node[] = [];
  for (const node of tree.groups()) {
    if ((!node.changed && !node.relinked) || node.links === 0 || isAdopted(node)) continue;
    const links = linksOf(node);
    for (const { parent } of links) tree.markDirty(parent);
    if (links.length < node.links) missing.push(node);
  }
  if (missing.length === 0 || isDone(() => loadNames(tree, missing))) return;
  // Something in a layer cannot be read: it is not to keep the others from their names.
  for (const node of missing) isDone(() => loadNames(tree, [node]));
}

/** False: a system call failed; whoever needs what it was about finds that out again. */
function isDone(work: () => void): boolean {
  try {
    work();
    return true;
  } catch (error) {
    if (!isSystemError(error)) throw error;
    return false;
  }
}

/** What a moved directory has is written anew, so hard links into it are, too. */
function markMoved(tree: Tree, dir: DirNode, full: readonly LowerRef[]): void {
  if (!sameSources(dir.dir.sources, full)) {
    markAll(tree, dir);
    return;
  }
  if (!dir.dirty) return;
  for (const [name, child] of dir.dir.children) {
    if (isDirNode(child)) isDone(() => markMoved(tree, child, findLower(full, name)));
  }
}

function markAll(tree: Tree, dir: DirNode): void {
  isDone(() => {
    for (const name of tree.names(dir)) {
      isDone(() => {
        const node = tree.lookup(dir, name);
        if (node === undefined) return;
        if (isDirNode(node)) markAll(tree, node);
        else if (node.links > 1) node.relinked = true;
      });
    }
  });
}
