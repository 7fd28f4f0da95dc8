import { S_IFLNK } from '../sys/constants.js';
import { FsError } from '../sys/errno.js';
import type { ByteName } from '../util/byte-name.js';
import { typeOf, type Node } from './node.js';
import { isDirNode, type DirNode, type Tree } from './tree.js';

/** Symlinks that one path may lead through, as in Linux. */
const SYMLINKS_MAX = 40;

/** Where a path leads: to a node, or to the last directory that exists and the names behind it. */
export type Walked =
  | { readonly kind: 'found'; readonly node: Node }
  | { readonly kind: 'missing'; readonly parent: DirNode; readonly names: readonly ByteName[] };

/**
 * Follows a path from the root, of the tree if none is given; symlinks stay inside it, `..` of the
 * root is the root. Throws ENOTDIR, ELOOP.
 */
export function walkPath(
  tree: Tree,
  path: ByteName,
  followLast: boolean,
  root: Node = tree.root,
): Walked {
  const todo = path.split('/').reverse() as ByteName[];
  let at: Node = root;
  let parent: DirNode = asDir(root);
  let links = 0;
  for (;;) {
    const name = todo.pop();
    if (name === undefined) return { kind: 'found', node: at };
    if (name === '' && todo.every((rest) => rest === '')) {
      if (path !== '' && !at.isDir && path.endsWith('/'))
        throw new FsError('ENOTDIR', 'open', path);
      return { kind: 'found', node: at };
    }
    if (name === '' || name === '.') continue;
    parent = asDir(at);
    if (name === '..') {
      if (parent !== root) at = parent.link?.parent ?? root;
      continue;
    }
    const child = tree.lookup(parent, name);
    if (child === undefined) return { kind: 'missing', parent, names: [name, ...todo.reverse()] };
    const last = todo.length === 0;
    if (typeOf(child.mode) !== S_IFLNK || (last && !followLast)) {
      at = child;
      continue;
    }
    links += 1;
    if (links > SYMLINKS_MAX) throw new FsError('ELOOP', 'open', path);
    todo.push(...(child.target.split('/').reverse() as ByteName[]));
    at = child.target.startsWith('/') ? root : parent;
  }
}

function asDir(node: Node): DirNode {
  if (!isDirNode(node)) throw new FsError('ENOTDIR', 'open');
  return node;
}
