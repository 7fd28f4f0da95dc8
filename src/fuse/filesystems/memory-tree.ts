import { NAME_MAX, S_IFDIR, S_IFMT, S_ISGID } from '../../sys/constants.js';
import { FsError } from '../../sys/errno.js';
import type { ByteName } from '../../util/byte-name.js';
import { FUSE_ROOT_ID } from '../protocol/abi.js';
import type { Caller, Entry, NodeId, Time } from '../filesystem.js';
import type { MemoryNode } from './memory-node.js';
import { attrOf, isDir, newNode, strictClock } from './memory-node.js';

const ROOT: Caller = { uid: 0, gid: 0, pid: 0 };

/**
 * The nodes of a file system in memory, and the names that hold them. INVARIANT: a node is known
 * as long as a name or the kernel (a lookup) holds it.
 */
export class MemoryTree {
  readonly now: () => Time = strictClock();
  readonly #nodes = new Map<NodeId, MemoryNode>();
  #nextId = FUSE_ROOT_ID;

  constructor() {
    const root = this.newNode(S_IFDIR | 0o755, ROOT);
    root.nlink = 2;
    root.parent = root;
  }

  /** Nodes that exist. */
  get size(): number {
    return this.#nodes.size;
  }

  node(nodeid: NodeId): MemoryNode {
    const node = this.#nodes.get(nodeid);
    if (node === undefined) throw new FsError('ESTALE', 'node');
    return node;
  }

  dir(nodeid: NodeId): MemoryNode {
    const node = this.node(nodeid);
    if (!isDir(node)) throw new FsError('ENOTDIR', 'node');
    return node;
  }

  child(dir: MemoryNode, name: ByteName): MemoryNode {
    const entry = dir.entries.get(name);
    if (entry === undefined) throw new FsError('ENOENT', 'node');
    return entry.node;
  }

  /** A directory that can take a new name. */
  roomFor(parent: NodeId, name: ByteName): MemoryNode {
    const dir = this.dir(parent);
    if (dir.entries.has(name)) throw new FsError('EEXIST', 'make');
    if (name.length > NAME_MAX) throw new FsError('ENAMETOOLONG', 'make');
    if (dir.nlink === 0) throw new FsError('ENOENT', 'make');
    return dir;
  }

  /** A node without a name yet; in a setgid directory it gets the directory's group. */
  newNode(
    mode: number,
    { uid, gid }: Caller,
    options: { readonly dir?: MemoryNode; readonly rdev?: number } = {},
  ): MemoryNode {
    const { dir, rdev } = options;
    const inherits = dir !== undefined && (dir.mode & S_ISGID) !== 0;
    const sgid = inherits && (mode & S_IFMT) === S_IFDIR ? S_ISGID : 0;
    const owner = { mode: mode | sgid, uid, gid: inherits ? dir.gid : gid };
    const node = newNode(this.#nextId++, owner, this.now(), rdev);
    this.#nodes.set(node.id, node);
    return node;
  }

  /** What the kernel is told of a node: one more lookup. */
  entry(node: MemoryNode): Entry {
    node.nlookup++;
    return { nodeid: node.id, attr: attrOf(node) };
  }

  attach(dir: MemoryNode, name: ByteName, node: MemoryNode): void {
    dir.entries.set(name, { node, offset: dir.nextOffset++ });
    this.#nodes.set(node.id, node);
    if (isDir(node)) {
      node.parent = dir;
      node.nlink = 2 + countDirs(node);
      dir.nlink++;
    } else {
      node.nlink++;
    }
    dir.mtime = this.now();
    dir.ctime = dir.mtime;
  }

  detach(dir: MemoryNode, name: ByteName): void {
    const node = this.child(dir, name);
    dir.entries.delete(name);
    if (isDir(node)) {
      node.nlink = 0;
      dir.nlink--;
    } else {
      node.nlink--;
    }
    dir.mtime = this.now();
    dir.ctime = dir.mtime;
    node.ctime = dir.mtime;
    this.#dropUnused(node);
  }

  forget(nodeid: NodeId, nlookup: number): void {
    const node = this.node(nodeid);
    node.nlookup -= nlookup;
    this.#dropUnused(node);
  }

  #dropUnused(node: MemoryNode): void {
    if (node.nlink === 0 && node.nlookup <= 0) this.#nodes.delete(node.id);
  }
}

function countDirs(dir: MemoryNode): number {
  let count = 0;
  for (const { node } of dir.entries.values()) if (isDir(node)) count++;
  return count;
}
