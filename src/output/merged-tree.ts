import type { InodeMeta, LayerDir, LayerNode } from '../layer/types.js';
import type { ImageTree, TreeNode } from '../overlay/image-tree.js';
import { S_IFLNK, S_IFMT, S_IFREG } from '../sys/constants.js';
import { decodeDev } from '../sys/device-number.js';
import { assert } from '../util/assert.js';
import type { ByteName } from '../util/byte-name.js';

/** A whole image as one layer, to be packed; `sourceOf` leads back to a file's bytes. */
export interface MergedTree {
  readonly root: LayerDir;
  readonly sourceOf: (file: LayerNode) => TreeNode;
}

/** Takes an image's files as the tree of a single layer; hard links are one object. */
export function mergeTree(tree: ImageTree): MergedTree {
  const made = new Map<TreeNode, LayerNode>();
  const sources = new Map<LayerNode, TreeNode>();
  const metaOf = (node: TreeNode): InodeMeta => {
    const { mode, uid, gid, mtimeSec, mtimeNsec } = tree.stat(node);
    const { major, minor } = decodeDev(node.rdev);
    const device = { rdevMajor: major, rdevMinor: minor };
    return { mode, uid, gid, mtimeSec, mtimeNsec, ...device, xattrs: tree.xattrs(node) };
  };
  const dirOf = (node: TreeNode): LayerDir => {
    const entries = new Map<ByteName, LayerNode>();
    for (const [name, child] of tree.children(node)) {
      entries.set(name, child.isDir ? dirOf(child) : leafOf(child));
    }
    return { kind: 'dir', ...metaOf(node), opaque: false, entries };
  };
  const leafOf = (node: TreeNode): LayerNode => {
    const known = made.get(node);
    if (known !== undefined) return known;
    const leaf = makeLeaf(node);
    if (node.nlink > 1) made.set(node, leaf);
    if (leaf.kind === 'file') sources.set(leaf, node);
    return leaf;
  };
  const makeLeaf = (node: TreeNode): LayerNode => {
    const meta = metaOf(node);
    switch (meta.mode & S_IFMT) {
      case S_IFREG:
        return { kind: 'file', ...meta, size: node.size, content: undefined };
      case S_IFLNK:
        return { kind: 'symlink', ...meta, target: tree.readlink(node) };
      default:
        return { kind: 'special', ...meta };
    }
  };
  const root = dirOf(tree.root);
  const sourceOf = (file: LayerNode): TreeNode => {
    const source = sources.get(file);
    assert(source !== undefined, 'a packed file is of the tree');
    return source;
  };
  return { root, sourceOf };
}
