import type { InodeMeta, LayerDir, LayerNode } from '../layer/types.js';
import { WHITEOUT, WHITEOUT_PREFIX } from '../layer/types.js';
import { displayName, type ByteName } from '../util/byte-name.js';
import { UserError } from '../util/errors.js';
import type { TarEntry, TarEntryType } from './entry.js';
import { followLinks } from './follow-links.js';
import { invalid } from './header.js';
import { assertLimit, type TarLimits } from './limits.js';

/** Source: OCI image spec, layer.md, "Whiteouts". */
export const OPAQUE_MARKER: ByteName = '.wh..wh..opq' as ByteName;
/** What aufs kept for itself in layers. */
const AUFS_PREFIX = '.wh..wh.';

const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;
const TYPE_BITS: Readonly<Record<Exclude<TarEntryType, 'link'>, number>> = {
  file: 0o100000,
  symlink: 0o120000,
  character: 0o020000,
  block: 0o060000,
  dir: S_IFDIR,
  fifo: 0o010000,
};

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type DirInMaking = Mutable<Omit<LayerDir, 'entries'>> & {
  entries: Map<ByteName, LayerNode | typeof WHITEOUT>;
};

/** A file of the layers below: the same object for each of its names. */
export interface LowerFile {
  /** No directory; its content reference names the layer. */
  readonly node: LayerNode;
  /** Every path that it has there, as components; no symbolic link on the way. */
  readonly paths: readonly (readonly ByteName[])[];
}

/** Finds what a path of the layers below is: a file, or nothing that can be linked. */
export type FindLower = (path: ByteName) => LowerFile | undefined;

/** A hard link leads out of the layer, and nothing is known of the layers below. */
export class LowerLinkError extends UserError {
  override name = 'LowerLinkError';
}

/** What a directory is that the archive has something of, but no entry for. */
const DEFAULT_META: InodeMeta = {
  mode: S_IFDIR | 0o755,
  uid: 0,
  gid: 0,
  mtimeSec: 0,
  mtimeNsec: 0,
  rdevMajor: 0,
  rdevMinor: 0,
  xattrs: undefined,
};

function newDir(meta: InodeMeta, opaque: boolean): DirInMaking {
  return { kind: 'dir', ...meta, opaque, entries: new Map() };
}

function metadataBytesOf({ linkname, xattrs }: TarEntry): number {
  let bytes = linkname.length;
  for (const [name, value] of xattrs ?? []) bytes += name.length + value.length;
  return bytes;
}

function newImpliedDir(): DirInMaking {
  return { ...newDir(DEFAULT_META, false), implied: true };
}

/**
 * The metadata tree of a layer, made from an archive's entries. No name of the archive ever
 * reaches a file system; symbolic links are followed in this tree alone.
 */
export class LayerTree {
  readonly #root: DirInMaking = newImpliedDir();
  readonly #limits: TarLimits;
  readonly #findLower: FindLower | undefined;
  /** Files of the layers below that got a name in this one. */
  readonly #borrowed = new Set<LowerFile>();
  #nodes = 0;
  #metadataBytes = 0;

  constructor(limits: TarLimits, findLower: FindLower | undefined) {
    this.#limits = limits;
    this.#findLower = findLower;
  }

  /** The tree, once every entry was added. */
  finish(): LayerDir {
    // A file of the layers below and its new name are hard links only if this layer has both.
    for (const { node, paths } of this.#borrowed) {
      for (const path of paths) {
        if (this.#find(path) !== undefined) continue;
        const names = [...path];
        const last = names.pop();
        const parent = this.#parent(names, path.join('/') as ByteName);
        if (last !== undefined) parent.entries.set(last, node);
      }
    }
    return this.#root;
  }

  /** Places `entry`; `content` is where a file's bytes lie. `TSB_LAYER_INVALID` if hostile. */
  add(entry: TarEntry, content: (LayerNode & { kind: 'file' })['content']): void {
    const names = this.#components(entry.path);
    if (names.some((name) => name.startsWith(AUFS_PREFIX) && name !== OPAQUE_MARKER)) return;
    const last = names.pop();
    if (last === undefined) {
      if (entry.type !== 'dir') throw invalid('the root is no directory');
      this.#setDirMeta(this.#root, this.#metaOf(entry));
      return;
    }
    this.#count(last.length + metadataBytesOf(entry));
    const parent = this.#parent(names, entry.path);
    if (last.startsWith(WHITEOUT_PREFIX)) this.#whiteOut(parent, last, entry.path);
    else if (entry.type === 'dir') this.#addDir(parent, last, this.#metaOf(entry));
    else this.#put(parent, last, this.#nodeOf(entry, content));
  }

  /** A few compressed bytes can imply a thousand directories: every node counts. */
  #count(metadataBytes: number): void {
    this.#metadataBytes += metadataBytes;
    assertLimit(this.#limits, 'entriesMax', ++this.#nodes, 'entries and implied directories');
    assertLimit(this.#limits, 'metadataBytesMax', this.#metadataBytes, 'names and attributes');
  }

  #components(path: ByteName): ByteName[] {
    assertLimit(this.#limits, 'pathBytesMax', path.length, 'path');
    const names = path.split('/').filter((name) => name !== '' && name !== '.') as ByteName[];
    assertLimit(this.#limits, 'depthMax', names.length, 'depth of a path');
    for (const name of names) {
      if (name === '..') throw invalid(`the path ${shown(path)} has a ..`);
      if (name.includes('\0')) throw invalid(`the path ${shown(path)} contains NUL`);
      // The name that a whiteout removes may be as long as any.
      const prefix = name.startsWith(WHITEOUT_PREFIX) ? WHITEOUT_PREFIX.length : 0;
      assertLimit(this.#limits, 'nameBytesMax', name.length - prefix, 'name');
    }
    return names;
  }

  #parent(names: readonly ByteName[], path: ByteName): DirInMaking {
    let dir = this.#root;
    for (const name of names) {
      if (name.startsWith(WHITEOUT_PREFIX)) {
        throw invalid(`the path ${shown(path)} goes through a whiteout`);
      }
      const next = dir.entries.get(name);
      if (next === undefined || next === WHITEOUT) {
        this.#count(name.length);
        // A whiteout took the lower directory away, and its metadata with it.
        const made = next === WHITEOUT ? newDir(DEFAULT_META, true) : newImpliedDir();
        dir.entries.set(name, made);
        dir = made;
      } else if (next.kind === 'dir') {
        dir = next as DirInMaking;
      } else if (next.kind === 'symlink') {
        return this.#parent(followLinks(this.#root, names, this.#limits), path);
      } else {
        throw invalid(`the path ${shown(path)} goes through ${shown(name)}, no directory`);
      }
    }
    return dir;
  }

  #whiteOut(parent: DirInMaking, name: ByteName, path: ByteName): void {
    if (name === OPAQUE_MARKER) {
      parent.opaque = true;
      return;
    }
    const hidden = name.slice(WHITEOUT_PREFIX.length) as ByteName;
    if (hidden === '' || hidden === '.' || hidden === '..') {
      throw invalid(`the whiteout ${shown(path)} names nothing`);
    }
    // A whiteout is about the layers below only: what this layer has of that name stays.
    const present = parent.entries.get(hidden);
    if (present === undefined) parent.entries.set(hidden, WHITEOUT);
    else if (present !== WHITEOUT && present.kind === 'dir') (present as DirInMaking).opaque = true;
  }

  #addDir(parent: DirInMaking, name: ByteName, meta: InodeMeta): void {
    const present = parent.entries.get(name);
    if (present !== undefined && present !== WHITEOUT && present.kind === 'dir') {
      this.#setDirMeta(present as DirInMaking, meta);
    } else {
      // Whatever was replaced hid the lower directory, so the new one must not show it.
      parent.entries.set(name, newDir(meta, present !== undefined));
    }
  }

  #put(parent: DirInMaking, name: ByteName, node: LayerNode): void {
    parent.entries.set(name, node);
  }

  #setDirMeta(dir: DirInMaking, meta: InodeMeta): void {
    delete dir.implied;
    Object.assign(dir, meta);
  }

  #metaOf(entry: TarEntry): InodeMeta {
    const bits = entry.type === 'link' ? 0 : TYPE_BITS[entry.type];
    return {
      mode: (bits & S_IFMT) | entry.mode,
      uid: entry.uid,
      gid: entry.gid,
      mtimeSec: entry.mtimeSec,
      mtimeNsec: entry.mtimeNsec,
      rdevMajor: entry.devmajor,
      rdevMinor: entry.devminor,
      xattrs: entry.xattrs,
    };
  }

  #nodeOf(entry: TarEntry, content: (LayerNode & { kind: 'file' })['content']): LayerNode {
    switch (entry.type) {
      case 'file':
        return { kind: 'file', ...this.#metaOf(entry), size: entry.size, content };
      case 'symlink': {
        const target = entry.linkname;
        assertLimit(this.#limits, 'linkTargetBytesMax', target.length, 'link target');
        if (target === '') throw invalid(`the symbolic link ${shown(entry.path)} has no target`);
        const mode = TYPE_BITS.symlink | 0o777;
        return { kind: 'symlink', ...this.#metaOf(entry), mode, target };
      }
      case 'link':
        return this.#linkTarget(entry);
      default:
        return { kind: 'special', ...this.#metaOf(entry) };
    }
  }

  #linkTarget(entry: TarEntry): LayerNode {
    const names = this.#components(entry.linkname);
    // The link is to the last name itself, be it a symbolic link.
    const last = names.pop();
    const parents = followLinks(this.#root, names, this.#limits);
    const path = last === undefined ? parents : [...parents, last];
    const found = this.#find(path) ?? this.#lowerTarget(path, entry);
    if (found === undefined || found === WHITEOUT) {
      const target = shown(entry.linkname);
      throw invalid(`the hard link ${shown(entry.path)} is to ${target}, which is not there`);
    }
    if (found.kind === 'dir') {
      throw invalid(`the hard link ${shown(entry.path)} is to a directory`);
    }
    return found;
  }

  #lowerTarget(names: readonly ByteName[], { path, linkname }: TarEntry): LayerNode | undefined {
    if (this.#findLower === undefined) {
      const what = `the hard link ${shown(path)} is to ${shown(linkname)}`;
      const message = `Cannot unpack layer: ${what}, which is not in the layer`;
      throw new LowerLinkError('TSB_LAYER_INVALID', message);
    }
    const asked = names.join('/') as ByteName;
    const lower = this.#findLower(asked);
    if (lower === undefined) return undefined;
    const isDirect = lower.paths.some((each) => each.join('/') === asked);
    if (!isDirect && lower.paths.some((each) => this.#hasOther(each, lower.node))) {
      const what = `the hard link ${shown(path)} is to ${shown(linkname)}`;
      throw invalid(`${what}, which a symbolic link below leads back into the layer`);
    }
    this.#borrowed.add(lower);
    return lower.node;
  }

  #hasOther(names: readonly ByteName[], node: LayerNode): boolean {
    const own = this.#find(names);
    return own !== undefined && own !== node;
  }

  #find(names: readonly ByteName[]): LayerNode | typeof WHITEOUT | undefined {
    let node: LayerNode | typeof WHITEOUT | undefined = this.#root;
    for (const name of names) {
      if (node === WHITEOUT) return WHITEOUT;
      if (node.kind !== 'dir') return WHITEOUT;
      const next: LayerNode | typeof WHITEOUT | undefined = node.entries.get(name);
      if (next === undefined) return node.opaque ? WHITEOUT : undefined;
      node = next;
    }
    return node;
  }
}

function shown(name: ByteName): string {
  return JSON.stringify(displayName(name));
}
