import { NAME_MAX, S_IFDIR } from '../sys/constants.js';
import { FsError } from '../sys/errno.js';
import type { ByteName } from '../util/byte-name.js';
import { kernelClock, stampEntries, type Clock } from './clock.js';
import type { Contents } from './contents.js';
import type { Listing } from './listing.js';
import { Listings } from './listings.js';
import {
  findRootMeta,
  namesOfLower,
  rootSources,
  type LowerLayer,
  type LowerRef,
} from './lower.js';
import { NodeStore } from './node-store.js';
import { ROOT_NUMBER } from './node-table.js';
import { Directory, addLink, dropLink, isDirMode, type Node } from './node.js';

/** What a tree is made of. */
export interface TreeOptions {
  /** Base first. */
  readonly layers: readonly LowerLayer[];
  readonly contents: Contents;
  readonly readOnly: boolean;
  readonly clock?: Clock | undefined;
}

/**
 * The merged tree of the lower layers with every change in memory: nodes by number, names in
 * directories. Directories are loaded name by name, and a node that is as its layers have it is
 * dropped when the kernel forgets it. The operations are in `ops-*.ts`; this class keeps what
 * they share consistent: names and their listings, link counts, what is dirty.
 */
export class Tree {
  readonly contents: Contents;
  readonly layers: readonly LowerLayer[];
  readonly root: Node;
  readonly now: Clock;
  readonly #nodes: NodeStore;
  readonly #listings = new Listings();
  #readOnly: boolean;

  constructor({ layers, contents, readOnly, clock = kernelClock }: TreeOptions) {
    this.contents = contents;
    this.layers = layers;
    this.now = clock;
    this.#readOnly = readOnly;
    this.#nodes = new NodeStore({ layers, contents, listings: this.#listings });
    const top = findRootMeta(layers);
    this.root =
      top === undefined ? this.#newRoot() : this.#load(ROOT_NUMBER, rootSources(layers), top);
  }

  #newRoot(): Node {
    const dir = new Directory([], 0);
    const root = this.#nodes.make(S_IFDIR | 0o755, { dir }, ROOT_NUMBER);
    stampEntries(root, this.now());
    root.atimeSec = root.mtimeSec;
    root.atimeNsec = root.mtimeNsec;
    return root;
  }

  /** Throws EROFS if nothing may be changed (any more). */
  assertWritable(syscall: string): void {
    if (this.#readOnly) throw new FsError('EROFS', syscall);
  }

  /** From now on every change is refused. */
  freeze(): void {
    this.#readOnly = true;
  }

  /** The node of a number that the kernel holds a reference to. */
  node(nodeid: number): Node {
    const node = this.#nodes.get(nodeid);
    if (node === undefined) throw new FsError('ESTALE', 'lookup');
    return node;
  }

  /** The same, and it must be a directory. */
  directory(nodeid: number): DirNode {
    const node = this.node(nodeid);
    if (!isDirNode(node)) throw new FsError('ENOTDIR', 'lookup');
    return node;
  }

  /** A new node, without a name. */
  newNode(mode: number, dir?: Directory): Node {
    return this.#nodes.make(mode, { ...(dir && { dir }) });
  }

  /** Makes the node of a file, or of the directories that `refs` merge; `origin` describes it. */
  #load(ino: number, refs: readonly LowerRef[], origin: LowerRef): Node {
    const { layer, handle } = origin;
    const mode = layer.mode(handle);
    if (!isDirMode(mode)) {
      const known = layer.nlink(handle) > 1 ? this.#nodes.get(ino) : undefined;
      return known ?? this.#nodes.load(ino, mode, { origin });
    }
    const [top] = refs;
    const subdirs = refs.length === 1 ? top?.layer.subdirs(top.handle) : undefined;
    return this.#nodes.load(ino, mode, { dir: new Directory(refs, subdirs), origin });
  }

  /** The node under a name of a directory; every lookup of the tree goes through here. */
  lookup(parent: DirNode, name: ByteName): Node | undefined {
    const { dir } = parent;
    const known = dir.children.get(name);
    if (known !== undefined) return known;
    const refs = dir.findShown(name);
    const [top] = refs;
    if (top === undefined) return undefined;
    const origin = dir.findMeta(name, top);
    const node = this.#load(this.#nodes.numberOf(top), refs, origin);
    dir.children.set(name, node);
    addLink(node, parent, name);
    // A name that turns up of a node which has changed under another name.
    if (node.changed || node.relinked) this.markDirty(parent);
    return node;
  }

  /** Number and mode of what a name leads to, without loading it. */
  peek({ dir }: DirNode, name: ByteName): Pick<Node, 'ino' | 'mode'> | undefined {
    const known = dir.children.get(name);
    if (known !== undefined) return known;
    const top = dir.peekShown(name);
    return top && { ino: this.#nodes.numberOf(top), mode: top.mode };
  }

  /** The names of a directory, in no order. */
  names(parent: DirNode): ByteName[] {
    const { children, hidden, sources } = parent.dir;
    const names: ByteName[] = [];
    for (const name of namesOfLower(sources)) {
      if (!children.has(name) && !hidden?.has(name)) names.push(name);
    }
    names.push(...children.keys());
    return names;
  }

  /** The stable listing of a directory: sorted at first, so that builds do not depend on luck. */
  listing(parent: DirNode): Listing {
    return this.#listings.of(parent.dir, () => this.names(parent).sort());
  }

  isEmpty({ dir }: DirNode): boolean {
    if (dir.children.size > 0) return false;
    if (dir.sources.length === 0) return true;
    return namesOfLower(dir.sources).every((name) => dir.hidden?.has(name) === true);
  }

  /** Checks a name that is to be made in `parent`; EEXIST is left to the caller. */
  assertCanAdd(parent: DirNode, name: ByteName, syscall: string): void {
    this.assertWritable(syscall);
    if (name.length > NAME_MAX) throw new FsError('ENAMETOOLONG', syscall);
    if (parent.links === 0) throw new FsError('ENOENT', syscall);
  }

  /** Gives a node a (further) name that is free. Link counts are the caller's business. */
  attach(parent: DirNode, name: ByteName, node: Node): void {
    const { dir } = parent;
    this.#beforeEdit(parent);
    this.#nodes.named(node);
    dir.children.set(name, node);
    node.pinned = true;
    dir.listing?.add(name);
    if (node.isDir && dir.subdirs !== undefined) dir.subdirs += 1;
    addLink(node, parent, name);
  }

  /** Takes a name from its node. Link counts are the caller's business. */
  detach(parent: DirNode, name: ByteName, node: Node): void {
    const { dir } = parent;
    this.#beforeEdit(parent);
    // Counting needs the former names.
    if (node.isDir && dir.subdirs !== undefined) dir.subdirs -= 1;
    dir.children.delete(name);
    node.pinned = true;
    dir.listing?.remove(name);
    dropLink(node, parent, name);
    if (dir.findShown(name).length > 0) (dir.hidden ??= new Set()).add(name);
  }

  /** A name of a directory becomes another one, in its place of the listing. */
  renameListed(parent: DirNode, name: ByteName, newName: ByteName): void {
    this.#beforeEdit(parent);
    parent.dir.listing?.rename(name, newName);
  }

  #beforeEdit(parent: DirNode): void {
    this.#listings.beforeEdit(parent.dir, () => this.names(parent).sort());
  }

  /** The entries of a directory changed. */
  touchDir(parent: DirNode): void {
    stampEntries(parent, this.now());
    parent.changed = true;
    this.markDirty(parent);
  }

  /** Something that a layer records of a node changed. */
  touch(node: Node): void {
    // INVARIANT: the directories of a changed node are dirty; each new name marks its own.
    if (node.changed) return;
    node.changed = true;
    if (isDirNode(node)) {
      this.markDirty(node);
      return;
    }
    if (node.link !== undefined) this.markDirty(node.link.parent);
    if (node.moreLinks !== undefined) {
      for (const { parent } of node.moreLinks) this.markDirty(parent);
    }
  }

  /** Makes the end of the step visit a directory. */
  markDirty(dir: Node): void {
    for (let at: Node | undefined = dir; at !== undefined && !at.dirty; at = at.link?.parent) {
      at.dirty = true;
    }
  }

  /** Lower files with several names that were looked up. */
  groups(): Iterable<Node> {
    return this.#nodes.groups;
  }

  /** One name less; the node goes when nobody refers to it. */
  unlinked(node: Node): void {
    node.links = node.isDir ? 0 : node.links - 1;
    if (node.links === 0) this.#nodes.unnamed(node);
    this.#nodes.reap(node);
  }

  /** A new node that has no name for now. */
  unname(node: Node): void {
    node.links = 0;
    this.#nodes.unnamed(node);
  }

  /** The kernel gives back references; what nobody needs any more goes. */
  forget(nodeid: number, nlookup: number): void {
    this.#nodes.forget(nodeid, nlookup);
  }

  /**
   * Drops every node that the kernel does not refer to and that is as its layers have it: some
   * are loaded and never referred to. Nodes must not be held across it.
   */
  trim(): void {
    this.#nodes.trim();
  }

  /** Nodes that are loaded. */
  get size(): number {
    return this.#nodes.size;
  }

  /** Nodes without a name give back their contents: nobody can reach them any more. */
  releaseUnlinked(): void {
    this.#nodes.releaseUnnamed();
  }

  [Symbol.dispose](): void {
    this.contents[Symbol.dispose]();
  }
}

/** A node that is a directory. */
export type DirNode = Node & { readonly dir: Directory };

/** Whether a node is a directory. */
export function isDirNode(node: Node): node is DirNode {
  return node.dir !== undefined;
}
