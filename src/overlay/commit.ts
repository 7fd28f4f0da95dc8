import { assertDepth } from '../layer/index-encode.js';
import type { LayerWriter } from '../layer/layer-writer.js';
import {
  WHITEOUT,
  WHITEOUT_PREFIX,
  type ContentRef,
  type InodeMeta,
  type LayerDir,
  type LayerNode,
} from '../layer/types.js';
import { S_IFLNK, S_IFREG, S_IFSOCK } from '../sys/constants.js';
import { decodeDev } from '../sys/device-number.js';
import { assertNever } from '../util/assert.js';
import { displayName, type ByteName } from '../util/byte-name.js';
import { UserError } from '../util/errors.js';
import { loadAll, loadNames } from './load-names.js';
import { NOTHING, isLowerDir, sameRef, sameSources, type LowerRef } from './lower.js';
import { Node, linksOf, typeOf, type Link } from './node.js';
import { isDirNode, type DirNode, type Tree } from './tree.js';

/** What a commit may be told. */
export interface CommitOptions {
  /** Later modification times are recorded as this one: seconds since 1970. */
  readonly mtimeMax?: number | undefined;
  /** False: the layer need not be on the disk yet. */
  readonly sync?: boolean;
  /** The layer says nothing of the root itself: it is put above layers that do. */
  readonly impliedRoot?: boolean;
}

/** What a layer came to: names that it adds, changes or removes, and the bytes that it stores. */
export interface CommitResult {
  readonly changes: number;
  readonly contentBytes: number;
}

/**
 * Compares the tree with its lower layers, visiting only what is marked dirty, writes contents
 * that are still in memory, and finishes the upper layer.
 */
export function commitTree(tree: Tree, writer: LayerWriter, options: CommitOptions): CommitResult {
  const commit = new Commit(tree, writer, options);
  commit.run();
  return { changes: commit.changes, contentBytes: commit.contentBytes };
}

/** Throws before the stack is used up: a commit recurses into what is dirty. */
function assertShallow(root: DirNode): void {
  let level = [root];
  for (let depth = 0; level.length > 0; depth++) {
    assertDepth(depth);
    const dirty = level.filter((dir) => dir.dirty);
    level = dirty.flatMap((dir) => [...dir.dir.children.values()].filter(isDirNode));
  }
}

class Commit {
  readonly #tree: Tree;
  readonly #writer: LayerWriter;
  readonly #mtimeMax: number;
  readonly #sync: boolean;
  readonly #impliedRoot: boolean;
  /** Files that are in the layer: names of the same node are the same object. */
  readonly #emitted = new Map<Node, LayerNode>();
  readonly #digests = new Map<LayerNode, Buffer>();
  changes = 0;
  contentBytes = 0;

  constructor(
    tree: Tree,
    writer: LayerWriter,
    { mtimeMax = Infinity, sync = true, impliedRoot = false }: CommitOptions,
  ) {
    this.#tree = tree;
    this.#writer = writer;
    this.#mtimeMax = mtimeMax;
    this.#sync = sync;
    this.#impliedRoot = impliedRoot;
  }

  run(): void {
    const root = this.#tree.root as DirNode;
    assertShallow(root);
    this.#tree.releaseUnlinked();
    this.#completeGroups(root);
    const dir: LayerDir = this.#emitMerged(root) ?? {
      ...this.#meta(root),
      kind: 'dir',
      opaque: false,
      entries: new Map(),
    };
    const digestOf = (node: LayerNode): Buffer | undefined => this.#digests.get(node);
    const whole: LayerDir = this.#impliedRoot ? { ...dir, implied: true } : dir;
    this.#writer.finish(whole, { digestOf, sync: this.#sync });
  }

  /**
   * A lower file with several names is recorded under all of them or under none: finds the names
   * that are not loaded yet.
   */
  #completeGroups(root: DirNode): void {
    this.#markMoved(root, root.dir.sources);
    const missing: Node[] = [];
    for (const node of this.#tree.groups()) {
      if ((!node.changed && !node.relinked) || node.links === 0) continue;
      const links = linksOf(node);
      if (links.every(isInPlace) && this.#equalsOrigin(node)) {
        node.relinked = false;
        continue;
      }
      for (const { parent } of links) this.#tree.markDirty(parent);
      if (links.length < node.links) missing.push(node);
    }
    loadNames(this.#tree, missing);
  }

  /** In a moved directory everything is recorded anew, so hard links into it are, too. */
  #markMoved(dir: DirNode, basis: readonly LowerRef[]): void {
    if (!sameSources(dir.dir.sources, basis)) {
      loadAll(this.#tree, dir, (node) => {
        if (!node.isDir && node.links > 1) node.relinked = true;
      });
      return;
    }
    if (!dir.dirty) return;
    for (const [name, child] of dir.dir.children) {
      if (isDirNode(child)) this.#markMoved(child, dir.dir.findLower(name));
    }
  }

  /** A directory that merges with what lower layers have at its place; undefined: no change. */
  #emitMerged(node: DirNode): LayerDir | undefined {
    if (!node.dirty) return undefined;
    const { children, hidden } = node.dir;
    const entries = new Map<ByteName, LayerNode | typeof WHITEOUT>();
    for (const [name, child] of children) {
      const emitted = this.#emitChild(child, node.dir.findLower(name));
      if (emitted !== undefined) entries.set(keepable(name, node), emitted);
    }
    for (const name of hidden ?? []) {
      const isGone = !children.has(name) || isUntouched(children.get(name));
      if (!isGone || node.dir.findLower(name).length === 0) continue;
      entries.set(name, WHITEOUT);
      this.changes += 1;
    }
    const changed = node.changed && !this.#equalsOrigin(node);
    if (!changed && entries.size === 0) return undefined;
    if (changed) this.changes += 1;
    return { ...this.#meta(node), kind: 'dir', opaque: false, entries };
  }

  /** A directory that stands by itself: everything in it is recorded. */
  #emitWhole(node: DirNode, opaque: boolean): LayerDir {
    const entries = new Map<ByteName, LayerNode>();
    for (const name of this.#tree.names(node)) {
      const child = this.#tree.lookup(node, name);
      const emitted = child && this.#emitChild(child, NOTHING);
      if (emitted !== undefined) entries.set(keepable(name, node), emitted);
    }
    this.changes += 1;
    return { ...this.#meta(node), kind: 'dir', opaque, entries };
  }

  /** What a layer says of a name, given what lower layers have there; undefined: nothing. */
  #emitChild(node: Node, lower: readonly LowerRef[]): LayerNode | undefined {
    if (isUntouched(node)) return undefined;
    const [top] = lower;
    if (isDirNode(node)) {
      const basis = isLowerDir(top) ? lower : NOTHING;
      const merges = basis.length > 0 && sameSources(node.dir.sources, basis);
      return merges ? this.#emitMerged(node) : this.#emitWhole(node, basis.length > 0);
    }
    const asGroup = node.relinked && node.links > 1;
    if (!asGroup && sameRef(top, node.origin)) {
      if (!node.changed || this.#equalsOrigin(node)) return undefined;
    }
    this.changes += 1;
    let emitted = this.#emitted.get(node);
    if (emitted === undefined) {
      emitted = this.#emitNode(node);
      this.#emitted.set(node, emitted);
    }
    if (emitted.kind === 'special') markReplacing(emitted, top);
    return emitted;
  }

  #emitNode(node: Node): LayerNode {
    const meta = this.#meta(node);
    switch (typeOf(node.mode)) {
      case S_IFREG: {
        const digest = node.changed ? node.digest : node.origin?.layer.digest(node.origin.handle);
        const content = node.size === 0 ? undefined : this.#content(node);
        const emitted: LayerNode = { ...meta, kind: 'file', size: node.size, content };
        if (digest !== undefined) this.#digests.set(emitted, digest);
        return emitted;
      }
      case S_IFLNK:
        return { ...meta, kind: 'symlink', target: node.target };
      default:
        return { ...meta, kind: 'special' };
    }
  }

  #content(node: Node): ContentRef | undefined {
    const { contents } = this.#tree;
    if (node.content?.kind === 'ref') {
      return { ...node.content.ref, layer: node.content.layer };
    }
    this.contentBytes += node.size;
    contents.pack(node);
    if (node.content?.kind === 'plain') contents.own(node);
    const { content } = node;
    switch (content?.kind) {
      case 'packed':
        return { kind: 'pack', layer: undefined, offset: content.offset };
      case 'own':
        return { kind: 'file', layer: undefined, number: content.number };
      case undefined:
        return undefined;
      default:
        return assertNever(content as never, 'content');
    }
  }

  #meta(node: Node): InodeMeta {
    const { major, minor } = decodeDev(node.rdev);
    const late = node.mtimeSec > this.#mtimeMax;
    return {
      mode: node.mode,
      uid: node.uid,
      gid: node.gid,
      mtimeSec: late ? this.#mtimeMax : node.mtimeSec,
      mtimeNsec: late ? 0 : node.mtimeNsec,
      rdevMajor: major,
      rdevMinor: minor,
      xattrs: node.xattrs,
    };
  }

  /** Whether everything that a layer records is as the lower layer has it. */
  #equalsOrigin(node: Node): boolean {
    const { origin } = node;
    if (origin === undefined) return false;
    const before = new Node(0, 0);
    origin.layer.load(origin.handle, before);
    return (
      node.mode === before.mode &&
      node.uid === before.uid &&
      node.gid === before.gid &&
      node.mtimeSec === before.mtimeSec &&
      node.mtimeNsec === before.mtimeNsec &&
      node.size === before.size &&
      sameContent(node, before) &&
      sameXattrs(node, before)
    );
  }
}

/** The name. Throws UserError TSB_BUILD for one that would delete something in the archive. */
function keepable(name: ByteName, parent: DirNode): ByteName {
  if (!name.startsWith(WHITEOUT_PREFIX)) return name;
  const path = [...namesTo(parent), name].map(displayName).join('/');
  const found = `found "${WHITEOUT_PREFIX}", which means a deletion in an image`;
  throw new UserError('TSB_BUILD', `Cannot keep "/${path}" in a layer: ${found}`, {
    hint: 'Remove or rename the file before the step ends',
  });
}

/** The names from the root to a directory. */
function namesTo(dir: DirNode): ByteName[] {
  const names: ByteName[] = [];
  for (let link = dir.link; link !== undefined; link = link.parent.link) names.unshift(link.name);
  return names;
}

/** Archives have no sockets: what lower layers have in a socket's place would come back. */
function markReplacing(node: { readonly mode: number; replaces?: true }, top?: LowerRef): void {
  if (typeOf(node.mode) !== S_IFSOCK || top === undefined) return;
  if (typeOf(top.layer.mode(top.handle)) !== S_IFSOCK) node.replaces = true;
}

/** Whether lower layers have the same inode under this name, and under this path. */
function isInPlace({ parent, name }: Link): boolean {
  const { dir, link } = parent;
  const child = dir?.children.get(name);
  const lower = dir?.findLower(name) ?? NOTHING;
  const same =
    child?.dir === undefined
      ? sameRef(lower[0], child?.origin)
      : sameSources(lower, child.dir.sources);
  return same && (link === undefined || isInPlace(link));
}

/** A mount point that nobody has touched. */
function isUntouched(node: Node | undefined): boolean {
  return node !== undefined && node.synthetic && !node.changed && !node.dirty;
}

function sameContent({ content: a }: Node, { content: b }: Node): boolean {
  if (a?.kind === 'ref' && b?.kind === 'ref') {
    const inA = a.ref.kind === 'pack' ? a.ref.offset : a.ref.number;
    const inB = b.ref.kind === 'pack' ? b.ref.offset : b.ref.number;
    return a.layer === b.layer && a.ref.kind === b.ref.kind && inA === inB;
  }
  if (a?.kind === 'plain' && b?.kind === 'plain') return a.path.equals(b.path);
  return a === undefined && b === undefined;
}

function sameXattrs({ xattrs: a }: Node, { xattrs: b }: Node): boolean {
  if (a === b) return true;
  if (a?.size !== b?.size) return false;
  for (const [name, value] of a ?? []) {
    if (b?.get(name)?.equals(value) !== true) return false;
  }
  return true;
}
