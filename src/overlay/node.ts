import { S_IFDIR, S_IFMT, S_IFREG } from '../sys/constants.js';
import type { Attr, Entry } from '../fuse/filesystem.js';
import { WHITEOUT, type ContentRef, type LayerId } from '../layer/types.js';
import type { ByteName } from '../util/byte-name.js';
import { hasCode } from '../util/errors.js';
import type { Listing } from './listing.js';
import {
  NOTHING,
  findLower,
  findMeta,
  isLowerDir,
  type LowerLayer,
  type LowerRef,
  type Peeked,
} from './lower.js';
import { SOURCES_PLAIN_MAX, SourceIndex } from './source-index.js';

/**
 * Where a regular file's bytes are; undefined: it is empty.
 * `memory`: `bytes` may be longer than the file, zero behind its end. `ref`: a range of a lower
 * layer, `packed`: a range of our own pack (both immutable). `own`: a data file of the upper
 * layer that may be written. `plain`: a file below a plain lower directory (immutable), whose own
 * path is the first `rootBytes` of `path`.
 */
export type Content =
  | { readonly kind: 'memory'; bytes: Buffer }
  | { readonly kind: 'ref'; readonly layer: LayerId; readonly ref: ContentRef }
  | { readonly kind: 'packed'; readonly offset: number }
  | { readonly kind: 'own'; readonly number: number }
  | { readonly kind: 'plain'; readonly path: Buffer; readonly rootBytes: number };

/** What file systems say that do not count the links of directories. */
const NLINK_UNKNOWN = 1;

/** A name of a node. */
export interface Link {
  parent: Node;
  name: ByteName;
}

/** What a directory has beyond its metadata. */
export class Directory {
  /** The lower directories that it merges, top first; never changes, also when it moves. */
  readonly sources: readonly LowerRef[];
  /** Live names that are loaded; of an upper directory: all. */
  readonly children: Map<ByteName, Node> = new Map<ByteName, Node>();
  /** Names of `sources` that are not (or no longer) looked for there. */
  hidden: Set<ByteName> | undefined = undefined;
  /** Stable positions of names: see `Listings`. */
  listing: Listing | undefined = undefined;
  /** Somebody may be in the middle of its listing. */
  isListed = false;
  /** Its names are not only those of its sources any more. */
  isEdited = false;
  /** Number of subdirectories; undefined: not counted yet. */
  subdirs: number | undefined;
  #index: SourceIndex | undefined = undefined;

  constructor(sources: readonly LowerRef[], subdirs: number | undefined) {
    this.sources = sources;
    this.subdirs = subdirs;
  }

  /** The sources to ask for a name. */
  #sourcesOf(name: ByteName): readonly LowerRef[] {
    const { sources } = this;
    if (sources.length <= SOURCES_PLAIN_MAX) return sources;
    this.#index ??= new SourceIndex(sources);
    return this.#index.sourcesOf(name);
  }

  /** What its sources have under a name, hidden or not: see {@link findLower}. */
  findLower(name: ByteName): readonly LowerRef[] {
    return this.sources.length === 0 ? NOTHING : findLower(this.#sourcesOf(name), name);
  }

  /** The same of names that are looked for there. */
  findShown(name: ByteName): readonly LowerRef[] {
    return this.hidden?.has(name) ? NOTHING : this.findLower(name);
  }

  /** What a name leads to, by itself. */
  peekShown(name: ByteName): (Peeked & { readonly layer: LowerLayer }) | undefined {
    if (this.hidden?.has(name)) return undefined;
    for (const { layer, handle } of this.#sourcesOf(name)) {
      const found = layer.peek(handle, name);
      if (found === WHITEOUT) return undefined;
      if (found !== undefined) return { layer, handle: found.handle, mode: found.mode };
    }
    return undefined;
  }

  /** What describes a name: see {@link findMeta}; `top` is the first that it leads to. */
  findMeta(name: ByteName, top: LowerRef): LowerRef {
    return isLowerDir(top) ? findMeta(this.#sourcesOf(name), name, top) : top;
  }

  /** Counts subdirectories, loaded or not; undefined: this process may not list them. */
  countSubdirs(): number | undefined {
    try {
      return this.#countSubdirs();
    } catch (error) {
      if (hasCode(error, 'EACCES', 'EPERM')) return undefined;
      throw error;
    }
  }

  #countSubdirs(): number {
    let count = 0;
    for (const child of this.children.values()) if (child.dir !== undefined) count += 1;
    for (const { layer, handle } of this.sources) {
      if (layer.subdirs(handle) === 0) continue;
      for (const [name, child] of layer.childDirs(handle)) {
        if (this.children.has(name)) continue;
        const top = this.peekShown(name);
        if (top?.layer === layer && top.handle === child) count += 1;
      }
    }
    return count;
  }
}

/**
 * An inode of the tree. Also its own {@link Attr} and {@link Entry}, so that answering a request
 * allocates nothing.
 */
export class Node implements Attr, Entry {
  readonly ino: number;
  mode: number;
  uid = 0;
  gid = 0;
  rdev = 0;
  size = 0;
  atimeSec = 0;
  atimeNsec = 0;
  mtimeSec = 0;
  mtimeNsec = 0;
  ctimeSec = 0;
  ctimeNsec = 0;
  readonly blksize: number = 4096;
  /** Names of a file; of a directory 0 (removed), or 1. */
  links = 1;
  xattrs: ReadonlyMap<ByteName, Buffer> | undefined = undefined;
  content: Content | undefined = undefined;
  /** What the content takes on the disk, in 512-byte units; undefined: as its size says. */
  allocated: number | undefined = undefined;
  /** SHA-256 of the content, 32 bytes, where it is known. */
  digest: Buffer | undefined = undefined;
  /** A symlink's target. */
  target: ByteName = '' as ByteName;
  readonly dir: Directory | undefined;
  /** What it was loaded from; of a merged directory the one whose metadata it has. */
  readonly origin: LowerRef | undefined;
  /** Undefined for the root, and once removed. */
  link: Link | undefined = undefined;
  /** Further names that are loaded. */
  moreLinks: Link[] | undefined = undefined;
  /** References that the kernel holds. */
  nlookup = 0;
  /** Something that a layer records may differ from `origin`. */
  changed = false;
  /** It got or moved a name: a layer has all its names or none. */
  relinked = false;
  /** Of a directory: it or something below it changed. INVARIANT: then so are its ancestors. */
  dirty = false;
  /** Made by tsbuild as a mount point: not part of the layer until it changes. */
  synthetic = false;
  /** A name or a time of it is not what the layers say: it is never dropped. */
  pinned = false;

  constructor(ino: number, mode: number, options: NodeOptions = {}) {
    this.ino = ino;
    this.mode = mode;
    this.dir = options.dir;
    this.origin = options.origin;
  }

  get nodeid(): number {
    return this.ino;
  }

  get attr(): Attr {
    return this;
  }

  get nlink(): number {
    if (this.dir === undefined) return this.links;
    if (this.links === 0) return 0;
    const subdirs = (this.dir.subdirs ??= this.dir.countSubdirs());
    return subdirs === undefined ? NLINK_UNKNOWN : 2 + subdirs;
  }

  get blocks(): number {
    if (this.allocated !== undefined) return this.allocated;
    return typeOf(this.mode) === S_IFREG ? Math.ceil(this.size / 4096) * 8 : 0;
  }

  get isDir(): boolean {
    return this.dir !== undefined;
  }
}

/** What a node is made with. */
export interface NodeOptions {
  readonly dir?: Directory;
  readonly origin?: LowerRef;
}

/** The type bits of a mode. */
export function typeOf(mode: number): number {
  return mode & S_IFMT;
}

/** Whether a mode is a directory's. */
export function isDirMode(mode: number): boolean {
  return (mode & S_IFMT) === S_IFDIR;
}

/** Every loaded name of a node. */
export function linksOf(node: Node): readonly Link[] {
  if (node.link === undefined) return [];
  return node.moreLinks === undefined ? [node.link] : [node.link, ...node.moreLinks];
}

/** Records a name. */
export function addLink(node: Node, parent: Node, name: ByteName): void {
  if (node.link === undefined) node.link = { parent, name };
  else (node.moreLinks ??= []).push({ parent, name });
}

/** Forgets a name. */
export function dropLink(node: Node, parent: Node, name: ByteName): void {
  const isIt = (link: Link): boolean => link.parent === parent && link.name === name;
  if (node.link !== undefined && isIt(node.link)) {
    node.link = node.moreLinks?.pop();
  } else if (node.moreLinks !== undefined) {
    const at = node.moreLinks.findIndex(isIt);
    if (at >= 0) node.moreLinks.splice(at, 1);
  }
  if (node.moreLinks?.length === 0) node.moreLinks = undefined;
}
