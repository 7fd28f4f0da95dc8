import type { Contents } from './contents.js';
import { countHiddenNames, type HiddenNames } from './hidden-names.js';
import type { Listings } from './listings.js';
import type { Handle, LowerLayer, LowerRef } from './lower.js';
import { NodeNumbers, NodeTable, ROOT_NUMBER } from './node-table.js';
import { Node, linksOf, type NodeOptions } from './node.js';
import { countVisibleNames } from './visible-names.js';

/** Nodes that are loaded or dropped before what nobody refers to is looked for. */
const TURNOVER_MIN = 65536;

/** What the nodes belong to. */
export interface NodeStoreOptions {
  /** Base first. */
  readonly layers: readonly LowerLayer[];
  readonly contents: Contents;
  readonly listings: Listings;
}

/**
 * The nodes that are in memory: those that the kernel refers to, those that lead to them, and
 * those that are not as the lower layers have them.
 */
export class NodeStore {
  readonly #layers: readonly LowerLayer[];
  readonly #contents: Contents;
  readonly #listings: Listings;
  readonly #nodes = new NodeTable();
  readonly #numbers: NodeNumbers;
  readonly #groups = new Set<Node>();
  /** How many names of files with several are shown, by number. */
  readonly #nameCounts = new Map<number, number>();
  readonly #hidden = new Map<LowerLayer, HiddenNames>();
  /** Nodes without a name that the kernel refers to. */
  readonly #unnamed = new Set<Node>();
  /** Nodes loaded and dropped since the last trim. */
  #loads = 0;
  #drops = 0;

  constructor({ layers, contents, listings }: NodeStoreOptions) {
    this.#layers = layers;
    this.#contents = contents;
    this.#listings = listings;
    this.#numbers = new NodeNumbers(layers.map((layer) => layer.count));
  }

  /** Number of nodes. */
  get size(): number {
    return this.#nodes.size;
  }

  /** Files of lower layers with several names there. */
  get groups(): Iterable<Node> {
    return this.#groups;
  }

  get(number: number): Node | undefined {
    return this.#nodes.get(number);
  }

  /** The number that a lower inode has. */
  numberOf(ref: LowerRef): number {
    return this.#numbers.of(ref);
  }

  /** Makes a node; a number is given to what has none by {@link numberOf}. */
  make(mode: number, options: NodeOptions, number: number = this.#numbers.fresh()): Node {
    const node = new Node(number, mode, options);
    this.#nodes.add(node);
    return node;
  }

  /** Makes the node of a lower inode. */
  load(number: number, mode: number, options: NodeOptions & { readonly origin: LowerRef }): Node {
    const { origin, dir } = options;
    const nlink = dir === undefined ? this.#countNames(number, origin) : 1;
    const node = this.make(mode, options, number);
    origin.layer.load(origin.handle, node);
    node.links = nlink;
    this.#loads += 1;
    if (nlink > 1) this.#groups.add(node);
    return node;
  }

  /** Layers do not change: what was counted once is remembered. */
  #countNames(number: number, ref: LowerRef): number {
    if (ref.layer.nlink(ref.handle) < 2) return 1;
    let count = this.#nameCounts.get(number);
    if (count === undefined) {
      count = countVisibleNames(this.#layers, ref, (layer) => this.#hiddenIn(layer));
      this.#nameCounts.set(number, count);
    }
    return count;
  }

  #hiddenIn(layer: LowerLayer): HiddenNames {
    let hidden = this.#hidden.get(layer);
    if (hidden === undefined) {
      hidden = countHiddenNames(this.#layers, layer);
      this.#hidden.set(layer, hidden);
    }
    return hidden;
  }

  /** A node has lost its last name, or has none yet. */
  unnamed(node: Node): void {
    this.#unnamed.add(node);
  }

  /** It has one again. */
  named(node: Node): void {
    this.#unnamed.delete(node);
  }

  /** The kernel gives back references; what nobody needs any more goes. */
  forget(number: number, nlookup: number): void {
    const node = this.#nodes.get(number);
    if (node === undefined) return;
    node.nlookup = Math.max(0, node.nlookup - nlookup);
    if (node.nlookup > 0) return;
    this.reap(node);
    if (node.dir !== undefined) this.#listings.forget(node.dir);
    this.#drop(node);
    if (Math.max(this.#loads, this.#drops) > TURNOVER_MIN + this.#nodes.size) this.trim();
  }

  /** A node that nobody can reach any more gives back its content. */
  reap(node: Node): void {
    if (node.links > 0 || node.nlookup > 0 || node.ino === ROOT_NUMBER) return;
    this.#contents.release(node);
    this.#nodes.delete(node.ino);
    this.#groups.delete(node);
    this.#unnamed.delete(node);
  }

  /** Forgets a node that can be loaded again as it is, and then the directories it is in. */
  #drop(node: Node): void {
    if (!isClean(node) || node.ino === ROOT_NUMBER) return;
    this.#drops += 1;
    this.#nodes.delete(node.ino);
    this.#groups.delete(node);
    for (const { parent, name } of linksOf(node)) {
      parent.dir?.children.delete(name);
      this.#drop(parent);
    }
  }

  /** See `Tree.trim`. */
  trim(): void {
    this.#loads = this.#drops = 0;
    for (const node of this.#nodes) this.#drop(node);
    for (const layer of this.#layers) layer.keep?.(this.#handlesOf(layer));
  }

  #handlesOf(layer: LowerLayer): ReadonlySet<Handle> {
    const handles = new Set<Handle>();
    const add = (ref: LowerRef): void => {
      if (ref.layer === layer) handles.add(ref.handle);
    };
    for (const { origin, dir } of this.#nodes) {
      if (origin !== undefined) add(origin);
      dir?.sources.forEach(add);
    }
    return handles;
  }

  /** Nodes without a name give back their contents. */
  releaseUnnamed(): void {
    for (const node of this.#unnamed) this.#contents.release(node);
  }
}

/** Whether the layers have all that is known of a node, and nobody refers to it by number. */
function isClean(node: Node): boolean {
  if (node.nlookup > 0 || node.origin === undefined || node.links === 0) return false;
  if (node.pinned || node.changed || node.relinked || node.dirty || node.synthetic) return false;
  return node.dir === undefined || (node.dir.children.size === 0 && node.dir.hidden === undefined);
}
