import type { ImageTree, TreeNode } from '../overlay/image-tree.js';
import type { ByteName } from '../util/byte-name.js';
import type { Placement, SourceFiles, SourceInfo } from './copy-source.js';
import { kindOfMode, metaOfNode, nodeMeta } from './tree-nodes.js';

/** The files of a stage or an image: what `COPY --from` reads. */
export class ImageFiles implements SourceFiles<TreeNode> {
  readonly what: string;
  readonly root: TreeNode;
  readonly #tree: ImageTree;

  constructor(tree: ImageTree, what: string) {
    this.what = what;
    this.root = tree.root;
    this.#tree = tree;
  }

  info(node: TreeNode): SourceInfo {
    const kind = kindOfMode(node.mode);
    const target = kind === 'symlink' ? this.#tree.readlink(node) : undefined;
    return { kind, meta: metaOfNode(node), size: node.size, target };
  }

  child(dir: TreeNode, name: ByteName): TreeNode | undefined {
    return this.#tree.child(dir, name);
  }

  children(dir: TreeNode): (readonly [ByteName, TreeNode])[] {
    return [...this.#tree.children(dir)];
  }

  async digest(node: TreeNode): Promise<string> {
    const digest = await this.#tree.contentDigest(node);
    return digest.slice('sha256:'.length);
  }

  read(node: TreeNode): AsyncIterable<Buffer> {
    return this.#tree.read(node);
  }

  identity(node: TreeNode): TreeNode | undefined {
    return node.nlink > 1 ? node : undefined;
  }

  whyMissing(): string | undefined {
    return undefined;
  }

  place(node: TreeNode, { tree, parent, name, meta }: Placement): Promise<void> {
    const { uid, gid, mode } = nodeMeta(meta);
    tree.copyNode(this.#tree, node, parent, name, { uid, gid, mode: () => mode });
    return Promise.resolve();
  }
}
