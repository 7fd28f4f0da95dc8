import { createHash } from 'node:crypto';

import type { Attr, Time } from '../fuse/filesystem.js';
import type { ContentRef, Xattrs } from '../layer/types.js';
import { S_IFLNK, S_IFMT, S_IFREG } from '../sys/constants.js';
import { FsError } from '../sys/errno.js';
import { assert } from '../util/assert.js';
import type { ByteName } from '../util/byte-name.js';
import { STORE_DAMAGED_HINT, UserError } from '../util/errors.js';
import { stampChange } from './clock.js';
import { copyTree, type CopyOverride } from './copy-tree.js';
import { loadNames } from './load-names.js';
import { linksOf, typeOf, type Link, type Node } from './node.js';
import { linkNode, makeNode, removeName } from './ops-dir.js';
import type { Overlay } from './overlay.js';
import { walkPath } from './path-walk.js';
import { isDirNode, type DirNode, type Tree } from './tree.js';

/** An inode of an image. */
export type TreeNode = Node;

const READ_BYTES = 1024 * 1024;
const HOLE_BYTES_MIN = 4096;

/** Metadata of a node to be made. `mode`: permission bits only. */
export interface NodeMeta {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Left out: now. */
  readonly mtime?: Time | undefined;
  readonly xattrs?: Xattrs | undefined;
}

/** What a node is. `mode` of a special one: its type bits. */
export type NodeMake =
  | { readonly kind: 'dir' }
  | { readonly kind: 'file' }
  | { readonly kind: 'symlink'; readonly target: ByteName }
  | { readonly kind: 'special'; readonly type: number; readonly rdev: number };

/** How to follow a path. */
export interface ResolveOptions {
  readonly followLast: boolean;
  /** The directory that the path, `..` and links stay in; absent: the tree's root. */
  readonly root?: TreeNode;
}

/**
 * An overlay by paths and nodes, in-process: for COPY and outputs. Failures are FsError, as of the
 * system calls (ENOTDIR, ELOOP, EEXIST, EROFS, ENOSPC, …).
 */
export class ImageTree {
  readonly #tree: Tree;

  constructor(overlay: Overlay) {
    this.#tree = overlay.tree;
  }

  get root(): TreeNode {
    return this.#tree.root;
  }

  /** The tree below, for the other files of this folder. */
  get tree(): Tree {
    return this.#tree;
  }

  /** What a path leads to; undefined if something on it is missing. `..` and links stay inside. */
  resolve(path: ByteName, { followLast, root }: ResolveOptions): TreeNode | undefined {
    const walked = walkPath(this.#tree, path, followLast, root);
    return walked.kind === 'found' ? walked.node : undefined;
  }

  stat(node: TreeNode): Attr {
    return node;
  }

  /** A directory's entry, symlinks not followed. */
  child(node: TreeNode, name: ByteName): TreeNode | undefined {
    return this.#tree.lookup(asDir(node), name);
  }

  /** A directory's entries, sorted by the bytes of the names. */
  *children(node: TreeNode): Generator<[ByteName, TreeNode]> {
    const dir = asDir(node);
    for (const name of this.#tree.names(dir).sort()) {
      const child = this.#tree.lookup(dir, name);
      if (child !== undefined) yield [name, child];
    }
  }

  /** Every path of a file, as components; those in directories that were moved may be missing. */
  paths(node: TreeNode): ByteName[][] {
    loadNames(this.#tree, [node]);
    return linksOf(node).map((link) => {
      const path: ByteName[] = [];
      for (let at: Link | undefined = link; at !== undefined; at = at.parent.link) {
        path.push(at.name);
      }
      return path.reverse();
    });
  }

  readlink(node: TreeNode): ByteName {
    if (typeOf(node.mode) !== S_IFLNK) throw new FsError('EINVAL', 'readlink');
    return node.target;
  }

  xattrs(node: TreeNode): Xattrs | undefined {
    return node.xattrs;
  }

  /** Where a file's bytes lie, if in a layer of the store; undefined also of an empty file. */
  contentRef({ content }: TreeNode): ContentRef | undefined {
    return content?.kind === 'ref' ? { ...content.ref, layer: content.layer } : undefined;
  }

  /** The bytes of a regular file. */
  // eslint-disable-next-line @typescript-eslint/require-await -- consumers pull at their own pace
  async *read(node: TreeNode): AsyncGenerator<Buffer> {
    for (let offset = 0; offset < node.size;) {
      const chunk = Buffer.allocUnsafe(Math.min(READ_BYTES, node.size - offset));
      const count = this.#tree.contents.read(node, chunk, offset);
      if (count === 0) throw cutOff(offset, node.size);
      yield count === chunk.length ? chunk : chunk.subarray(0, count);
      offset += count;
    }
  }

  /** A whole file of at most `bytesMax` bytes, else UserError TSB_LIMIT. */
  readAll(node: TreeNode, bytesMax: number): Buffer {
    if (typeOf(node.mode) !== S_IFREG) throw new FsError('EINVAL', 'read');
    if (node.size > bytesMax) {
      throw new UserError(
        'TSB_LIMIT',
        `Cannot read a file of the image: found ${node.size} bytes, want at most ${bytesMax}`,
      );
    }
    const bytes = Buffer.alloc(node.size);
    const count = this.#tree.contents.read(node, bytes, 0);
    if (count !== bytes.length) throw cutOff(count, node.size);
    return bytes;
  }

  /** `sha256:<hex>` of a file's bytes; computed once. */
  async contentDigest(node: TreeNode): Promise<string> {
    const known = node.changed ? undefined : node.origin?.layer.digest(node.origin.handle);
    node.digest ??= known;
    if (node.digest === undefined) {
      const hash = createHash('sha256');
      for await (const chunk of this.read(node)) hash.update(chunk);
      node.digest = hash.digest();
    }
    return `sha256:${node.digest.toString('hex')}`;
  }

  /**
   * The directory at a path; makes what is missing, with `meta`. ENOTDIR if it is something else.
   * `root`: as in {@link ResolveOptions}.
   */
  mkdirs(path: ByteName, meta: NodeMeta, root: TreeNode = this.root): TreeNode {
    const walked = walkPath(this.#tree, path, true, root);
    if (walked.kind === 'found') return asDir(walked.node);
    let at: DirNode = walked.parent;
    for (const name of walked.names) {
      if (name === '' || name === '.') continue;
      if (name === '..') at = at === root ? at : asDir(at.link?.parent ?? at);
      else
        at = asDir(this.#tree.lookup(at, name) ?? this.makeNode(at, name, meta, { kind: 'dir' }));
    }
    return at;
  }

  /** Makes a node; EEXIST if there is one. */
  makeNode(parent: TreeNode, name: ByteName, meta: NodeMeta, make: NodeMake): TreeNode {
    assertName(name);
    const target = make.kind === 'symlink' ? { target: make.target } : {};
    const rdev = make.kind === 'special' ? { rdev: make.rdev } : {};
    const mode = typeBits(make) | (meta.mode & 0o7777);
    const dir = asDir(parent);
    const node = makeNode(this.#tree, { parent: dir, name, mode, ...target, ...rdev }, meta);
    this.setMeta(node, meta);
    return node;
  }

  /** Makes a regular file in place of anything but a directory (EISDIR). */
  async writeFile(
    parent: TreeNode,
    name: ByteName,
    meta: NodeMeta,
    source: AsyncIterable<Buffer> | Iterable<Buffer> | Buffer,
  ): Promise<TreeNode> {
    this.#removeFile(asDir(parent), name);
    const node = this.makeNode(parent, name, meta, { kind: 'file' });
    let offset = 0;
    for await (const chunk of Buffer.isBuffer(source) ? [source] : source) {
      if (!isHole(chunk)) this.#tree.contents.write(node, chunk, offset);
      offset += chunk.length;
    }
    if (node.size < offset) this.#tree.contents.truncate(node, offset);
    this.setMeta(node, meta);
    return node;
  }

  #removeFile(parent: DirNode, name: ByteName): void {
    const old = this.#tree.lookup(parent, name);
    if (old === undefined) return;
    if (old.isDir) throw new FsError('EISDIR', 'open', name);
    this.remove(parent, name);
  }

  /**
   * Copies a node, with all that is below it, from this or another tree. Contents of lower layers
   * are shared, hard links within the call are kept. A directory merges into one that exists
   * (which keeps its metadata); files replace files. Returns the copy.
   */
  copyNode(
    from: ImageTree,
    node: TreeNode,
    parent: TreeNode,
    name: ByteName,
    override: CopyOverride = {},
  ): TreeNode {
    assertName(name);
    return copyTree({ from, node, to: this, parent: asDir(parent), name, override });
  }

  /** A further name for a file. */
  link(node: TreeNode, parent: TreeNode, name: ByteName): void {
    assertName(name);
    const dir = asDir(parent);
    linkNode(this.#tree, node, dir, name);
  }

  /** Removes a name and everything below it; ENOENT if there is none. */
  remove(parent: TreeNode, name: ByteName): void {
    this.#tree.assertWritable('unlink');
    const dir = asDir(parent);
    const node = this.#tree.lookup(dir, name);
    if (node === undefined) throw new FsError('ENOENT', 'unlink', name);
    if (isDirNode(node)) {
      for (const below of [...node.dir.children.keys()]) this.remove(node, below);
    }
    removeName(this.#tree, dir, name, node);
    this.#tree.touchDir(dir);
  }

  /** Sets what is given. */
  setMeta(node: TreeNode, meta: Partial<NodeMeta>): void {
    this.#tree.assertWritable('setattr');
    if (meta.mode !== undefined) node.mode = (node.mode & S_IFMT) | (meta.mode & 0o7777);
    if (meta.uid !== undefined) node.uid = meta.uid;
    if (meta.gid !== undefined) node.gid = meta.gid;
    if (meta.xattrs !== undefined) node.xattrs = meta.xattrs.size > 0 ? meta.xattrs : undefined;
    stampChange(node, this.#tree.now());
    if (meta.mtime !== undefined) {
      node.mtimeSec = meta.mtime.sec;
      node.mtimeNsec = meta.mtime.nsec;
    }
    this.#tree.touch(node);
  }
}

const ZEROS = Buffer.alloc(READ_BYTES);

/** Whether a chunk is worth a hole: a page or more, all zero; or empty. */
function isHole(chunk: Buffer): boolean {
  const { length } = chunk;
  if (length === 0) return true;
  if (length < HOLE_BYTES_MIN || length > ZEROS.length || chunk[0] !== 0) return false;
  return chunk.equals(ZEROS.subarray(0, length));
}

function asDir(node: Node): DirNode {
  if (!isDirNode(node)) throw new FsError('ENOTDIR', 'open');
  return node;
}

function assertName(name: ByteName): void {
  const ok = name !== '' && name !== '.' && name !== '..' && !name.includes('/');
  assert(ok && !name.includes('\0'), `${JSON.stringify(name)} is a file name`);
}

function typeBits(make: NodeMake): number {
  switch (make.kind) {
    case 'dir':
      return 0o040000;
    case 'file':
      return S_IFREG;
    case 'symlink':
      return S_IFLNK;
    case 'special':
      return make.type & S_IFMT;
  }
}

function cutOff(found: number, want: number): UserError {
  const message = `Cannot read a file of the image: found ${found} bytes, want ${want}`;
  return new UserError('TSB_STORE', message, { hint: STORE_DAMAGED_HINT });
}
