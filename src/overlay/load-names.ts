import type { ByteName } from '../util/byte-name.js';
import type { Handle, LowerLayer } from './lower.js';
import type { Node } from './node.js';
import { isDirNode, type DirNode, type Tree } from './tree.js';

/** Loads every name below a directory. */
export function loadAll(tree: Tree, dir: DirNode, visit?: (node: Node) => void): void {
  for (const name of tree.names(dir)) {
    const node = tree.lookup(dir, name);
    if (node === undefined) continue;
    visit?.(node);
    if (isDirNode(node)) loadAll(tree, node, visit);
  }
}

/** Loads every name of lower files, except those below a directory that was moved. */
export function loadNames(tree: Tree, nodes: Iterable<Node>): void {
  const wanted = new Map<LowerLayer, Set<Handle>>();
  for (const { origin } of nodes) {
    if (origin === undefined) continue;
    const handles = wanted.get(origin.layer) ?? new Set();
    wanted.set(origin.layer, handles.add(origin.handle));
  }
  for (const [layer, handles] of wanted) {
    const paths = layer.pathsOf(handles);
    if (paths === undefined && isDirNode(tree.root)) loadAll(tree, tree.root);
    for (const path of paths ?? []) loadPath(tree, path);
  }
}

function loadPath(tree: Tree, path: readonly ByteName[]): void {
  let at: Node | undefined = tree.root;
  for (const name of path) {
    if (at === undefined || !isDirNode(at)) return;
    at = tree.lookup(at, name);
  }
}
