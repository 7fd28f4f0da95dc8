import { WHITEOUT } from '../layer/types.js';
import type { ByteName } from '../util/byte-name.js';
import type { Node } from './node.js';

/** The number of an inode in its layer: the index row, or one that a plain layer hands out. */
export type Handle = number;

/** One lower layer: read-only. Handle 0 is its root directory. */
export interface LowerLayer {
  /** 0 is the base. */
  readonly position: number;
  /** All handles are less; left out: not known. */
  readonly count?: number;
  mode(handle: Handle): number;
  /** Hides what lower layers have in this directory. */
  opaque(dir: Handle): boolean;
  /** Where lower layers have what this directory merges with, if not under its name. */
  redirect?(dir: Handle): Redirect | undefined;
  /** Says nothing of this directory's metadata. */
  implied(dir: Handle): boolean;
  child(dir: Handle, name: ByteName): Handle | typeof WHITEOUT | undefined;
  /** The same, but nothing needs to be known of the inode afterwards. */
  peek(dir: Handle, name: ByteName): Peeked | typeof WHITEOUT | undefined;
  children(dir: Handle): Iterable<[ByteName, Handle | typeof WHITEOUT]>;
  /** Number of names in a directory, whiteouts included. */
  size(dir: Handle): number;
  /** Their hashes (`hashName`). */
  nameHashes(dir: Handle): Iterable<number>;
  /** Number of subdirectories of this layer; undefined: not known cheaply. */
  subdirs(dir: Handle): number | undefined;
  /** The children that are directories. */
  childDirs(dir: Handle): Iterable<[ByteName, Handle]>;
  /** Number of names of a file in this layer. */
  nlink(handle: Handle): number;
  /** Every path of these inodes in this layer; undefined: not known cheaply. */
  pathsOf(handles: ReadonlySet<Handle>): readonly (readonly ByteName[])[] | undefined;
  /** A file that has further names, without anything being known of it afterwards. */
  linked?(dir: Handle, name: ByteName): Handle | undefined;
  /** Such files below a directory, once per name, but not below the others. */
  linkedBelow?(dir: Handle, except: ReadonlySet<Handle>): Iterable<Handle>;
  /** SHA-256 of a file's content where the layer knows it: 32 bytes. */
  digest(handle: Handle): Buffer | undefined;
  /** Fills metadata and content of a node with what the layer has. */
  load(handle: Handle, node: Node): void;
  /** Only these handles, and those found from them, are used from now on. */
  keep?(handles: ReadonlySet<Handle>): void;
}

/** What can be told of a name without looking at its inode; of `mode` the type bits. */
export interface Peeked {
  readonly handle: Handle;
  readonly mode: number;
}

/** Another name in the same directory, or directories elsewhere, top first. */
export type Redirect =
  | { readonly kind: 'name'; readonly name: ByteName }
  | { readonly kind: 'elsewhere'; readonly refs: readonly LowerRef[] };

/** An inode of a lower layer. */
export interface LowerRef {
  readonly layer: LowerLayer;
  readonly handle: Handle;
}

/** No lower inodes. */
export const NOTHING: readonly LowerRef[] = [];

/**
 * What merged directories have under a name: nothing (empty), one file, or the directories to
 * merge, top first. `sources` are the directories, top first.
 */
export function findLower(sources: readonly LowerRef[], name: ByteName): readonly LowerRef[] {
  let found: LowerRef[] | undefined;
  let wanted = name;
  for (const { layer, handle } of sources) {
    const child = layer.child(handle, wanted);
    if (child === undefined) continue;
    if (child === WHITEOUT) break;
    if (!isDirOf(layer, child)) {
      if (found === undefined) return [{ layer, handle: child }];
      break;
    }
    (found ??= []).push({ layer, handle: child });
    if (layer.opaque(child)) break;
    const redirect = layer.redirect?.(child);
    if (redirect?.kind === 'elsewhere') {
      found.push(...redirect.refs);
      break;
    }
    if (redirect !== undefined) wanted = redirect.name;
  }
  return found ?? NOTHING;
}

/**
 * The directory that the metadata of merged ones comes from, `top` being the first of them: the
 * topmost that is not implied, else `top`. Opaque directories hide entries, not metadata.
 */
export function findMeta(parents: readonly LowerRef[], name: ByteName, top: LowerRef): LowerRef {
  if (!top.layer.implied(top.handle)) return top;
  for (const { layer, handle } of parents) {
    const child = layer.child(handle, name);
    if (child === undefined) continue;
    if (child === WHITEOUT || !isDirOf(layer, child)) break;
    if (!layer.implied(child)) return { layer, handle: child };
  }
  return top;
}

/** The names that merged directories show, in no order. */
export function namesOfLower(sources: readonly LowerRef[]): ByteName[] {
  const names: ByteName[] = [];
  const seen = sources.length > 1 ? new Set<ByteName>() : undefined;
  for (const { layer, handle } of sources) {
    for (const [name, child] of layer.children(handle)) {
      if (seen?.has(name)) continue;
      seen?.add(name);
      if (child !== WHITEOUT) names.push(name);
    }
  }
  return names;
}

/** The roots of layers (base first) as one list of sources. */
export function rootSources(layers: readonly LowerLayer[]): readonly LowerRef[] {
  const sources: LowerRef[] = [];
  for (const layer of layers.toReversed()) {
    sources.push({ layer, handle: 0 });
    if (layer.opaque(0)) break;
  }
  return sources;
}

/** The same of the roots of layers (base first); undefined if there are no layers. */
export function findRootMeta(layers: readonly LowerLayer[]): LowerRef | undefined {
  const layer = layers.findLast((each) => !each.implied(0)) ?? layers.at(-1);
  return layer && { layer, handle: 0 };
}

/** Whether both are the same inode. */
export function sameRef(a: LowerRef | undefined, b: LowerRef | undefined): boolean {
  return a !== undefined && b !== undefined && a.layer === b.layer && a.handle === b.handle;
}

/** Whether both merge the same directories. */
export function sameSources(a: readonly LowerRef[], b: readonly LowerRef[]): boolean {
  return a === b || (a.length === b.length && a.every((ref, i) => sameRef(ref, b[i])));
}

/** Whether it is a directory. */
export function isLowerDir(ref: LowerRef | undefined): boolean {
  return ref !== undefined && isDirOf(ref.layer, ref.handle);
}

function isDirOf(layer: LowerLayer, handle: Handle): boolean {
  return (layer.mode(handle) & 0o170000) === 0o040000;
}
