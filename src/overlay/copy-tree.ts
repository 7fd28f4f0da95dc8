import type { Time } from '../fuse/filesystem.js';
import { S_IFMT, S_IFREG } from '../sys/constants.js';
import { FsError } from '../sys/errno.js';
import type { ByteName } from '../util/byte-name.js';
import type { ImageTree, NodeMeta } from './image-tree.js';
import { typeOf, type Node } from './node.js';
import { isDirNode, type DirNode } from './tree.js';

const CHUNK_BYTES = 1024 * 1024;

/** Metadata that the copies get in place of the originals'. */
export interface CopyOverride {
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  readonly mtime?: Time | undefined;
  /** Permission bits, from the original's mode. */
  readonly mode?: ((mode: number) => number) | undefined;
  /** Names below the node that are left out: false. `path` is relative to the node. */
  readonly include?: ((path: ByteName, node: Node) => boolean) | undefined;
}

/** What to copy where. */
export interface TreeCopy {
  readonly from: ImageTree;
  readonly node: Node;
  readonly to: ImageTree;
  readonly parent: DirNode;
  readonly name: ByteName;
  readonly override: CopyOverride;
}

/** See {@link ImageTree.copyNode}. */
export function copyTree(copy: TreeCopy): Node {
  return new TreeCopier(copy).copy(copy.node, copy.parent, copy.name, '');
}

class TreeCopier {
  readonly #from: ImageTree;
  readonly #to: ImageTree;
  readonly #override: CopyOverride;
  /** Copies of files with several names. */
  readonly #links = new Map<Node, Node>();

  constructor({ from, to, override }: TreeCopy) {
    this.#from = from;
    this.#to = to;
    this.#override = override;
  }

  copy(node: Node, parent: DirNode, name: ByteName, path: string): Node {
    const old = this.#to.child(parent, name);
    if (isDirNode(node)) return this.#copyDir(node, old, { parent, name, path });
    if (old === node) return node;
    const linked = node.links > 1 ? this.#links.get(node) : undefined;
    if (old !== undefined && old === linked) return old;
    if (old?.isDir === true) throw new FsError('EISDIR', 'copy', name);
    if (old !== undefined) this.#to.remove(parent, name);
    if (linked !== undefined) {
      this.#to.link(linked, parent, name);
      return linked;
    }
    const made = this.#copyFile(node, parent, name);
    if (node.links > 1) this.#links.set(node, made);
    return made;
  }

  #copyDir(
    node: DirNode,
    old: Node | undefined,
    { parent, name, path }: { parent: DirNode; name: ByteName; path: string },
  ): Node {
    if (old !== undefined && !old.isDir) throw new FsError('ENOTDIR', 'copy', name);
    const made = old ?? this.#to.makeNode(parent, name, this.#meta(node), { kind: 'dir' });
    // The list is made first: the copy may lie inside the original.
    for (const [childName, child] of [...this.#from.children(node)]) {
      const childPath = (path === '' ? childName : `${path}/${childName}`) as ByteName;
      if (child === made || this.#override.include?.(childPath, child) === false) continue;
      if (isDirNode(made)) this.copy(child, made, childName, childPath);
    }
    // Making the entries has changed it.
    if (old === undefined) this.#to.setMeta(made, this.#meta(node));
    return made;
  }

  #copyFile(node: Node, parent: DirNode, name: ByteName): Node {
    const meta = this.#meta(node);
    const type = typeOf(node.mode);
    if (type === S_IFREG) {
      const made = this.#to.makeNode(parent, name, meta, { kind: 'file' });
      this.#copyContent(node, made);
      return made;
    }
    if (node.target !== '') {
      return this.#to.makeNode(parent, name, meta, { kind: 'symlink', target: node.target });
    }
    return this.#to.makeNode(parent, name, meta, {
      kind: 'special',
      type: node.mode & S_IFMT,
      rdev: node.rdev,
    });
  }

  #copyContent(node: Node, made: Node): void {
    const { contents } = this.#to.tree;
    const { content } = node;
    const shared = content?.kind === 'ref' || content?.kind === 'plain';
    if (shared && contents.tryShare(node, made)) return;
    const chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, node.size));
    for (let offset = 0; offset < node.size;) {
      const count = this.#from.tree.contents.read(node, chunk, offset);
      if (count === 0) throw new FsError('EIO', 'copy');
      contents.write(made, chunk.subarray(0, count), offset);
      offset += count;
    }
  }

  #meta(node: Node): NodeMeta {
    const { uid = node.uid, gid = node.gid, mtime, mode } = this.#override;
    const bits = node.mode & 0o7777;
    return {
      mode: mode === undefined ? bits : mode(bits),
      uid,
      gid,
      mtime: mtime ?? { sec: node.mtimeSec, nsec: node.mtimeNsec },
      xattrs: node.xattrs,
    };
  }
}
