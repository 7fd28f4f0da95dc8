import { setImmediate as nextTick } from 'node:timers/promises';
import { WHITEOUT_PREFIX, type InodeMeta } from '../layer/types.js';
import type { ImageTree, TreeNode } from '../overlay/image-tree.js';
import { S_IFDIR } from '../sys/constants.js';
import type { ByteName } from '../util/byte-name.js';
import { byteNameOf, displayName } from '../util/byte-name.js';
import { hasCode, UserError } from '../util/errors.js';
import type { CopyEntry, MetaChanges } from './copy-entries.js';
import { changedMeta } from './copy-entries.js';
import type { Placement, SourceFiles } from './copy-source.js';
import type { Owner } from './image-users.js';
import { isDirectory, kindOfMode, nodeMake, nodeMeta } from './tree-nodes.js';

/** Where a COPY goes in the image. */
export interface Destination {
  /** Absolute and clean. */
  readonly path: string;
  /** It ended in a slash or a dot. */
  readonly isDirectory: boolean;
  /** More than one source goes there: it must be a directory. */
  readonly several: boolean;
}

/** What copying needs besides sources and destination. */
export interface CopyTarget {
  readonly tree: ImageTree;
  readonly destination: Destination;
  readonly changes: MetaChanges;
  /** The mtime of directories that are made on the way; milliseconds since 1970. */
  readonly nowMs: number;
  readonly signal: AbortSignal;
}

const DIRECTORY_MODE = 0o755;
const ROOT: Owner = { uid: 0, gid: 0 };
/** Lets timers, signals and output have their turn after this many files. */
const FILES_PER_TURN = 64;

/** The metadata of a directory that exists only because something is copied into it. */
export function newDirectoryMeta({ owner, changeMode }: MetaChanges, nowMs: number): InodeMeta {
  return {
    mode: S_IFDIR | ((changeMode?.absolute ?? DIRECTORY_MODE) & 0o777),
    ...(owner ?? ROOT),
    mtimeSec: Math.floor(nowMs / 1000),
    mtimeNsec: (nowMs % 1000) * 1e6,
    rdevMajor: 0,
    rdevMinor: 0,
    xattrs: undefined,
  };
}

/** Puts one source after another into the image. */
export class Copier<Node> {
  readonly #files: SourceFiles<Node>;
  readonly #target: CopyTarget;
  /** Files of the current source with several names: their copies are hard links too. */
  readonly #copies = new Map<object | string, TreeNode>();
  #count = 0;

  constructor(files: SourceFiles<Node>, target: CopyTarget) {
    this.#files = files;
    this.#target = target;
  }

  /** Copies a file under its name or the destination's, of a directory what is in it. */
  async copy(source: CopyEntry<Node>): Promise<void> {
    const { tree, destination } = this.#target;
    const { path } = destination;
    this.#copies.clear();
    if (source.info.kind === 'dir') {
      const dir = this.#makeDirectory(byteNameOf(path));
      for (const entry of source.entries) await this.#place(dir, entry, path);
      const { mtimeSec: sec, mtimeNsec: nsec } = source.info.meta;
      if (dir !== tree.root) tree.setMeta(dir, { mtime: { sec, nsec } });
      return;
    }
    const existing = findNode(tree, byteNameOf(path));
    if (destination.isDirectory || path === '/' || isDirectory(existing)) {
      await this.#place(this.#makeDirectory(byteNameOf(path)), source, path);
      return;
    }
    if (destination.several) {
      throw new UserError('TSB_COPY', `Cannot copy several sources to "${path}": no directory`, {
        hint: `Write ${path}/`,
      });
    }
    const { parentPath, name } = followLast(tree, path);
    const entry = { ...source, name };
    await this.#place(this.#makeDirectory(parentPath), entry, displayName(parentPath));
  }

  #makeDirectory(path: ByteName): TreeNode {
    const { tree, changes, nowMs } = this.#target;
    return makeDirectory(tree, path, newDirectoryMeta(changes, nowMs));
  }

  async #place(parent: TreeNode, entry: CopyEntry<Node>, parentPath: string): Promise<void> {
    if (++this.#count % FILES_PER_TURN === 0) {
      await nextTick();
      this.#target.signal.throwIfAborted();
    }
    const { tree, changes } = this.#target;
    const { name, node, info } = entry;
    const meta = changedMeta(info, changes);
    const existing = tree.child(parent, name);
    const path = `${parentPath === '/' ? '' : parentPath}/${displayName(name)}`;
    refuseWhiteoutName(name, path);
    if (info.kind !== 'dir') {
      if (existing !== undefined) {
        if (isDirectory(existing)) throw clash('a file', path, 'a directory');
        tree.remove(parent, name);
      }
      const { signal } = this.#target;
      await this.#placeFile(node, { tree, parent, name, meta, signal });
      return;
    }
    if (existing !== undefined && !isDirectory(existing)) {
      throw clash('a directory', path, kindName(existing));
    }
    const dir = existing ?? tree.makeNode(parent, name, nodeMeta(meta), nodeMake(meta));
    for (const child of entry.entries) await this.#place(dir, child, path);
    if (entry.isParent && existing !== undefined) tree.setMeta(dir, { mode: info.meta.mode });
    // Last: what is put into the directory moves its time.
    else tree.setMeta(dir, nodeMeta(meta));
  }

  async #placeFile(node: Node, placement: Placement): Promise<void> {
    const { tree, parent, name } = placement;
    const identity = this.#files.identity(node);
    const first = identity === undefined ? undefined : this.#copies.get(identity);
    if (first !== undefined) {
      tree.link(first, parent, name);
      return;
    }
    await this.#files.place(node, placement);
    const made = identity === undefined ? undefined : tree.child(parent, name);
    if (identity !== undefined && made !== undefined) this.#copies.set(identity, made);
  }
}

/** In the archive of a layer such a name would delete another file, or what a directory has. */
export function refuseWhiteoutName(name: ByteName, path: string): void {
  if (!name.startsWith(WHITEOUT_PREFIX)) return;
  const found = `found "${WHITEOUT_PREFIX}", which means a deletion in an image`;
  throw new UserError('TSB_COPY', `Cannot copy to "${path}": ${found}`, {
    hint: 'Rename the file, or leave it out with .dockerignore or --exclude',
  });
}

/** The directory at a path below the root, made with its parents where missing. */
export function makeDirectory(
  tree: ImageTree,
  path: ByteName,
  meta: InodeMeta,
  root: TreeNode = tree.root,
): TreeNode {
  const node = findNode(tree, path, root);
  if (node === undefined) return tree.mkdirs(path, nodeMeta(meta), root);
  if (isDirectory(node)) return node;
  throw clash('a directory', displayName(path), kindName(node));
}

/**
 * Where a file of this path belongs once the links of its last component are followed, dangling
 * ones too. The parent's path may hold links and `..` itself.
 */
function followLast(tree: ImageTree, path: string): { parentPath: ByteName; name: ByteName } {
  let at = byteNameOf(path);
  for (;;) {
    const slash = at.lastIndexOf('/');
    const parentPath = (at.slice(0, slash) || '/') as ByteName;
    const name = at.slice(slash + 1) as ByteName;
    const node = tree.resolve(at, { followLast: false });
    if (node === undefined || kindOfMode(node.mode) !== 'symlink') return { parentPath, name };
    // Ends: a loop of links was refused before, when the path was looked up.
    const target = tree.readlink(node).replace(/(?:\/\.?)+$/, '');
    at = (target.startsWith('/') ? target : `${parentPath}/${target}`) as ByteName;
  }
}

/** The node at a path, links followed inside the root; undefined: it leads nowhere. */
export function findNode(
  tree: ImageTree,
  path: ByteName,
  root: TreeNode = tree.root,
): TreeNode | undefined {
  try {
    return tree.resolve(path, { followLast: true, root });
  } catch (error) {
    if (!hasCode(error, 'ENOTDIR', 'ELOOP')) throw error;
    const found = hasCode(error, 'ELOOP') ? 'a loop of symbolic links' : 'a file on the way';
    throw new UserError('TSB_COPY', `Cannot copy to "${displayName(path)}": found ${found}`, {
      cause: error,
    });
  }
}

function kindName(node: TreeNode): string {
  return kindOfMode(node.mode) === 'symlink' ? 'a symbolic link' : 'a file';
}

function clash(what: string, path: string, found: string): UserError {
  return new UserError('TSB_COPY', `Cannot copy ${what} to "${path}": found ${found} there`);
}
