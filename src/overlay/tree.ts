import { NAME_MAX, S_IFDIR } from '../sys/constants.js';
import { FsError } from '../sys/errno.js';
import type { ByteName } from '../util/byte-name.js';
import { kernelClock, stampEntries, type Clock } from './clock.js';
import type { Contents } from './contents.js';
import { Listing } from './listing.js';
import {
  findRootMeta,
  namesOfLower,
  rootSources,
  type Handle,
  type LowerLayer,
  type LowerRef,
} from './lower.js';
import { NodeNumbers, NodeTable, ROOT_NUMBER } from './node-table.js';
import { countVisibleNames } from './visible-names.js';
import { Directory, Node, addLink, dropLink, isDirMode, linksOf } from './node.js';

/** Cookies of a listing: 1 and 2 are `.` and `..`. */
export const FIRST_COOKIE = 3;
/** Nodes that are loaded before those that nobody refers to are looked for. */
const LOADS_MIN = 65536;

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
  readonly #nodes = new NodeTable();
  readonly #numbers: NodeNumbers;
  /** Files of lower layers with several names there. */
  readonly #groups = new Set<Node>();
  /** How many names of them are shown, by number. */
  readonly #nameCounts = new Map<number, number>();
  #readOnly: boolean;
  /** Nodes loaded since the last trim. */
  #loads = 0;

  constructor({ layers, contents, readOnly, clock = kernelClock }: TreeOptions) {
    this.contents = contents;
    this.layers = layers;
    this.now = clock;
    this.#readOnly = readOnly;
    this.#numbers = new NodeNumbers(layers.map((layer) => layer.count));
    const top = findRootMeta(layers);
    this.root =
      top === undefined ? this.#newRoot() : this.#load(ROOT_NUMBER, rootSources(layers), top);
  }

  #newRoot(): Node {
    const root = new Node(ROOT_NUMBER, S_IFDIR | 0o755, { dir: new Directory([], 0) });
    this.#nodes.add(root);
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
    const node = new Node(this.#numbers.fresh(), mode, { ...(dir && { dir }) });
    this.#nodes.add(node);
    return node;
  }

  /** Makes the node of a file, or of the directories that `refs` merge; `origin` describes it. */
  #load(ino: number, refs: readonly LowerRef[], origin: LowerRef): Node {
    const { layer, handle } = origin;
    const mode = layer.mode(handle);
    let dir: Directory | undefined;
    let nlink = 1;
    if (isDirMode(mode)) {
      const [top] = refs;
      dir = new Directory(refs, refs.length === 1 ? top?.layer.subdirs(top.handle) : undefined);
    } else {
      const known = layer.nlink(handle) > 1 ? this.#nodes.get(ino) : undefined;
      if (known !== undefined) return known;
      nlink = this.#countNames(ino, origin);
    }
    const node = new Node(ino, mode, dir === undefined ? { origin } : { dir, origin });
    layer.load(handle, node);
    node.links = nlink;
    this.#nodes.add(node);
    this.#loads += 1;
    if (nlink > 1) this.#groups.add(node);
    return node;
  }

  /** Layers do not change: what was counted once is remembered. */
  #countNames(ino: number, ref: LowerRef): number {
    if (ref.layer.nlink(ref.handle) < 2) return 1;
    let count = this.#nameCounts.get(ino);
    if (count === undefined) {
      count = countVisibleNames(this.layers, ref);
      this.#nameCounts.set(ino, count);
    }
    return count;
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
    const node = this.#load(this.#numbers.of(top), refs, origin);
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
    return top && { ino: this.#numbers.of(top), mode: top.mode };
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
    return (parent.dir.listing ??= new Listing(FIRST_COOKIE, this.names(parent).sort()));
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
    dir.children.set(name, node);
    node.pinned = true;
    dir.listing?.add(name);
    if (node.isDir && dir.subdirs !== undefined) dir.subdirs += 1;
    addLink(node, parent, name);
  }

  /** Takes a name from its node. Link counts are the caller's business. */
  detach(parent: DirNode, name: ByteName, node: Node): void {
    const { dir } = parent;
    // Counting needs the former names.
    if (node.isDir && dir.subdirs !== undefined) dir.subdirs -= 1;
    dir.children.delete(name);
    node.pinned = true;
    dir.listing?.remove(name);
    dropLink(node, parent, name);
    if (dir.findShown(name).length > 0) (dir.hidden ??= new Set()).add(name);
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
    return this.#groups;
  }

  /** One name less; the node goes when nobody refers to it. */
  unlinked(node: Node): void {
    node.links = node.isDir ? 0 : node.links - 1;
    this.#reap(node);
  }

  /** The kernel gives back references; what nobody needs any more goes. */
  forget(nodeid: number, nlookup: number): void {
    const node = this.#nodes.get(nodeid);
    if (node === undefined) return;
    node.nlookup = Math.max(0, node.nlookup - nlookup);
    this.#reap(node);
    if (node.nlookup === 0) this.#drop(node);
    if (this.#loads > LOADS_MIN + this.#nodes.size) this.trim();
  }

  /** A node that nobody can reach any more gives back its content. */
  #reap(node: Node): void {
    if (node.links > 0 || node.nlookup > 0 || node === this.root) return;
    this.contents.release(node);
    this.#nodes.delete(node.ino);
    this.#groups.delete(node);
  }

  /** Forgets a node that can be loaded again as it is, and then the directories it is in. */
  #drop(node: Node): void {
    if (!isClean(node) || node === this.root) return;
    this.#nodes.delete(node.ino);
    this.#groups.delete(node);
    for (const { parent, name } of linksOf(node)) {
      parent.dir?.children.delete(name);
      this.#drop(parent);
    }
  }

  /**
   * Drops every node that the kernel does not refer to and that is as its layers have it: some
   * are loaded and never referred to. Nodes must not be held across it.
   */
  trim(): void {
    this.#loads = 0;
    for (const node of this.#nodes) this.#drop(node);
    for (const layer of this.layers) layer.keep?.(this.#handlesOf(layer));
  }

  #handlesOf(layer: LowerLayer): ReadonlySet<Handle> {
    const handles = new Set<Handle>();
    for (const { origin, dir } of this.#nodes) {
      if (origin?.layer === layer) handles.add(origin.handle);
      for (const source of dir?.sources ?? [])
        if (source.layer === layer) handles.add(source.handle);
    }
    return handles;
  }

  /** Nodes that are loaded. */
  get size(): number {
    return this.#nodes.size;
  }

  /** Nodes without a name give back their contents: nobody can reach them any more. */
  releaseUnlinked(): void {
    for (const node of this.#nodes) {
      if (node.links === 0) this.contents.release(node);
    }
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

/** Whether the layers have all that is known of a node, and nobody refers to it by number. */
function isClean(node: Node): boolean {
  if (node.nlookup > 0 || node.origin === undefined || node.links === 0) return false;
  if (node.pinned || node.changed || node.relinked || node.dirty || node.synthetic) return false;
  return node.dir === undefined || (node.dir.children.size === 0 && node.dir.hidden === undefined);
}
