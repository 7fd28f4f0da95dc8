import { NAME_MAX, S_IFDIR } from '../sys/constants.js';
import { FsError } from '../sys/errno.js';
import type { ByteName } from '../util/byte-name.js';
import { kernelClock, stampEntries, type Clock } from './clock.js';
import type { Contents } from './contents.js';
import { Listing } from './listing.js';
import {
  findLower,
  findMeta,
  findRootMeta,
  isLowerDir,
  namesOfLower,
  rootSources,
  type Handle,
  type LowerLayer,
  type LowerRef,
} from './lower.js';
import { Directory, Node, addLink, dropLink, isDirMode } from './node.js';

/** Cookies of a listing: 1 and 2 are `.` and `..`. */
export const FIRST_COOKIE = 3;
const HANDLES_MAX = 2 ** 32;

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
 * directories. Directories are loaded name by name. The operations are in `ops-*.ts`; this class
 * keeps what they share consistent: names and their listings, link counts, what is dirty.
 */
export class Tree {
  readonly contents: Contents;
  readonly layers: readonly LowerLayer[];
  readonly root: Node;
  readonly now: Clock;
  readonly #nodes: (Node | undefined)[] = [undefined];
  /** Files of lower layers with several names there, by layer and handle. */
  readonly #groups = new Map<number, Node>();
  #readOnly: boolean;

  constructor({ layers, contents, readOnly, clock = kernelClock }: TreeOptions) {
    this.contents = contents;
    this.layers = layers;
    this.now = clock;
    this.#readOnly = readOnly;
    const top = findRootMeta(layers);
    this.root = top === undefined ? this.#newRoot() : this.#load(rootSources(layers), top);
  }

  #newRoot(): Node {
    const root = this.newNode(S_IFDIR | 0o755, new Directory([], 0));
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
    const node = this.#nodes[nodeid];
    if (node === undefined) throw new FsError('ESTALE', 'lookup');
    return node;
  }

  /** The same, and it must be a directory. */
  directory(nodeid: number): DirNode {
    const node = this.node(nodeid);
    if (!isDirNode(node)) throw new FsError('ENOTDIR', 'lookup');
    return node;
  }

  /** A node without a name. */
  newNode(mode: number, dir?: Directory, origin?: LowerRef): Node {
    const node = new Node(this.#nodes.length, mode, {
      ...(dir && { dir }),
      ...(origin && { origin }),
    });
    this.#nodes.push(node);
    return node;
  }

  /** Makes the node of a file, or of the directories that `refs` merge; `origin` describes it. */
  #load(refs: readonly LowerRef[], origin: LowerRef): Node {
    const { layer, handle } = origin;
    const mode = layer.mode(handle);
    if (isDirMode(mode)) {
      const [top] = refs;
      const subdirs = refs.length === 1 ? top?.layer.subdirs(top.handle) : undefined;
      const node = this.newNode(mode, new Directory(refs, subdirs), origin);
      layer.load(handle, node);
      return node;
    }
    const nlink = layer.nlink(handle);
    const key = layer.position * HANDLES_MAX + handle;
    const known = nlink > 1 ? this.#groups.get(key) : undefined;
    if (known !== undefined) return known;
    const node = this.newNode(mode, undefined, origin);
    layer.load(handle, node);
    node.links = nlink;
    if (nlink > 1) this.#groups.set(key, node);
    return node;
  }

  /** The node under a name of a directory; every lookup of the tree goes through here. */
  lookup(parent: DirNode, name: ByteName): Node | undefined {
    const { dir } = parent;
    const known = dir.children.get(name);
    if (known !== undefined) return known;
    if (dir.sources.length === 0 || dir.hidden?.has(name)) return undefined;
    const refs = findLower(dir.sources, name);
    const [top] = refs;
    if (top === undefined) return undefined;
    const origin = isLowerDir(top) ? findMeta(dir.sources, name, top) : top;
    const node = this.#load(refs, origin);
    dir.children.set(name, node);
    addLink(node, parent, name);
    // A name that turns up of a node which has changed under another name.
    if (node.changed || node.relinked) this.markDirty(parent);
    return node;
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
    dir.listing?.remove(name);
    dropLink(node, parent, name);
    if (dir.sources.length === 0 || dir.hidden?.has(name)) return;
    if (findLower(dir.sources, name).length > 0) (dir.hidden ??= new Set()).add(name);
  }

  /** The entries of a directory changed. */
  touchDir(parent: DirNode): void {
    stampEntries(parent, this.now());
    parent.changed = true;
    this.markDirty(parent);
  }

  /** Something that a layer records of a node changed. */
  touch(node: Node): void {
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

  /** Loads every name below a directory. */
  loadAll(dir: DirNode, visit?: (node: Node) => void): void {
    for (const name of this.names(dir)) {
      const node = this.lookup(dir, name);
      if (node === undefined) continue;
      visit?.(node);
      if (isDirNode(node)) this.loadAll(node, visit);
    }
  }

  /** Loads every name of lower files, except those below a directory that was moved. */
  loadNames(nodes: Iterable<Node>): void {
    const wanted = new Map<LowerLayer, Set<Handle>>();
    for (const { origin } of nodes) {
      if (origin === undefined) continue;
      const handles = wanted.get(origin.layer) ?? new Set();
      wanted.set(origin.layer, handles.add(origin.handle));
    }
    for (const [layer, handles] of wanted) {
      const paths = layer.pathsOf(handles);
      if (paths === undefined && isDirNode(this.root)) this.loadAll(this.root);
      for (const path of paths ?? []) this.#loadPath(path);
    }
  }

  #loadPath(path: readonly ByteName[]): void {
    let at: Node | undefined = this.root;
    for (const name of path) {
      if (at === undefined || !isDirNode(at)) return;
      at = this.lookup(at, name);
    }
  }

  /** Lower files with several names that were looked up. */
  groups(): Iterable<Node> {
    return this.#groups.values();
  }

  /** One name less; the node goes when nobody refers to it. */
  unlinked(node: Node): void {
    node.links = node.isDir ? 0 : node.links - 1;
    this.#reap(node);
  }

  forget(nodeid: number, nlookup: number): void {
    const node = this.#nodes[nodeid];
    if (node === undefined) return;
    node.nlookup = Math.max(0, node.nlookup - nlookup);
    this.#reap(node);
  }

  /** A node that nobody can reach any more gives back its content. */
  #reap(node: Node): void {
    if (node.links > 0 || node.nlookup > 0 || node === this.root) return;
    this.contents.release(node);
    this.#nodes[node.ino] = undefined;
  }

  /** Nodes without a name give back their contents: nobody can reach them any more. */
  releaseUnlinked(): void {
    for (const node of this.#nodes) {
      if (node?.links === 0) this.contents.release(node);
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
