import {
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_ZERO_RANGE,
  NAME_MAX,
  RENAME_EXCHANGE,
  RENAME_NOREPLACE,
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
  S_ISGID,
  SEEK_DATA,
  XATTR_CREATE,
  XATTR_REPLACE,
  direntType,
} from '../sys/constants.js';
import { FsError } from '../sys/errno.js';
import type { ByteName } from '../util/byte-name.js';
import { FUSE_ROOT_ID } from './abi.js';
import type {
  Allocate,
  Attr,
  Caller,
  DirSink,
  Entry,
  FileSystem,
  MakeNode,
  NodeId,
  Opened,
  ReadRange,
  Rename,
  SetAttr,
  SetXattr,
  StatFs,
  Time,
  Write,
} from './filesystem.js';
import type { MemoryNode } from './memory-node.js';
import { attrOf, isDir, killPrivileges, newNode, resize, strictClock } from './memory-node.js';

const DOT = '.' as ByteName;
const DOT_DOT = '..' as ByteName;
const ROOT: Caller = { uid: 0, gid: 0, pid: 0 };
const FALLOC_KNOWN = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE;

/** A whole file system in memory: an example, and the tests' subject. Files stay below 2 GiB. */
export class MemoryFileSystem implements FileSystem {
  readonly #nodes = new Map<NodeId, MemoryNode>();
  readonly #now: () => Time = strictClock();
  #nextId = FUSE_ROOT_ID;

  constructor() {
    const root = this.#newNode(S_IFDIR | 0o755, ROOT);
    root.nlink = 2;
    root.parent = root;
  }

  lookup(parent: NodeId, name: ByteName): Entry | undefined {
    if (name.length > NAME_MAX) throw new FsError('ENAMETOOLONG', 'lookup');
    const entry = this.#dir(parent).entries.get(name);
    return entry === undefined ? undefined : this.#entry(entry.node);
  }

  forget(nodeid: NodeId, nlookup: number): void {
    const node = this.#node(nodeid);
    node.nlookup -= nlookup;
    this.#dropUnused(node);
  }

  getattr(nodeid: NodeId): Attr {
    return attrOf(this.#node(nodeid));
  }

  setattr(nodeid: NodeId, change: SetAttr): Attr {
    const node = this.#node(nodeid);
    const now = this.#now();
    const { mode, uid, gid, size, atime, mtime, ctime } = change;
    const chown = uid !== undefined || gid !== undefined;
    if (chown || size !== undefined) killPrivileges(node, chown || change.killSuidgid);
    if (mode !== undefined) node.mode = (node.mode & S_IFMT) | (mode & 0o7777);
    node.uid = uid ?? node.uid;
    node.gid = gid ?? node.gid;
    if (size !== undefined) {
      resize(node, size);
      node.mtime = now;
    }
    if (atime !== undefined) node.atime = atime === 'now' ? now : atime;
    if (mtime !== undefined) node.mtime = mtime === 'now' ? now : mtime;
    node.ctime = ctime ?? now;
    return attrOf(node);
  }

  readlink(nodeid: NodeId): Buffer {
    return this.#node(nodeid).data;
  }

  mknod(make: MakeNode, caller: Caller): Entry {
    const dir = this.#roomFor(make.parent, make.name);
    const node = this.#newNode(make.mode, caller, { dir, rdev: make.rdev });
    this.#attach(dir, make.name, node);
    return this.#entry(node);
  }

  mkdir(make: MakeNode, caller: Caller): Entry {
    return this.mknod(make, caller);
  }

  create(make: MakeNode, _flags: number, caller: Caller): Entry & Opened {
    return { ...this.mknod(make, caller), fh: 0, openFlags: 0 };
  }

  tmpfile(make: MakeNode, _flags: number, caller: Caller): Entry & Opened {
    const node = this.#newNode(make.mode, caller, { dir: this.#dir(make.parent) });
    return { ...this.#entry(node), fh: 0, openFlags: 0 };
  }

  symlink(parent: NodeId, name: ByteName, target: Buffer, caller: Caller): Entry {
    const dir = this.#roomFor(parent, name);
    const node = this.#newNode(S_IFLNK | 0o777, caller, { dir });
    node.data = target;
    node.size = target.length;
    this.#attach(dir, name, node);
    return this.#entry(node);
  }

  link(nodeid: NodeId, parent: NodeId, name: ByteName): Entry {
    const node = this.#node(nodeid);
    if (isDir(node)) throw new FsError('EPERM', 'link');
    this.#attach(this.#roomFor(parent, name), name, node);
    node.ctime = this.#now();
    return this.#entry(node);
  }

  unlink(parent: NodeId, name: ByteName): void {
    const dir = this.#dir(parent);
    const node = this.#child(dir, name);
    if (isDir(node)) throw new FsError('EISDIR', 'unlink');
    this.#detach(dir, name);
  }

  rmdir(parent: NodeId, name: ByteName): void {
    const dir = this.#dir(parent);
    const node = this.#child(dir, name);
    if (!isDir(node)) throw new FsError('ENOTDIR', 'rmdir');
    if (node.entries.size > 0) throw new FsError('ENOTEMPTY', 'rmdir');
    this.#detach(dir, name);
  }

  rename({ parent, name, newParent, newName, flags }: Rename): void {
    if ((flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE)) !== 0)
      throw new FsError('EINVAL', 'rename');
    const [from, to] = [this.#dir(parent), this.#dir(newParent)];
    const node = this.#child(from, name);
    const target = to.entries.get(newName)?.node;
    if (target !== undefined && (flags & RENAME_NOREPLACE) !== 0) {
      throw new FsError('EEXIST', 'rename');
    }
    if ((flags & RENAME_EXCHANGE) !== 0) {
      if (target === undefined) throw new FsError('ENOENT', 'rename');
      this.#detach(from, name);
      this.#detach(to, newName);
      this.#attach(from, name, target);
    } else {
      if (target === node) return;
      if (target !== undefined) this.#replaceable(node, target);
      this.#detach(from, name);
      if (target !== undefined) this.#detach(to, newName);
    }
    this.#attach(to, newName, node);
    node.ctime = this.#now();
  }

  read({ nodeid, offset }: ReadRange, into: Buffer): number {
    const { data, size } = this.#node(nodeid);
    return offset >= size ? 0 : data.copy(into, 0, offset, Math.min(size, offset + into.length));
  }

  write({ nodeid, offset, data, killSuidgid }: Write): number {
    const node = this.#node(nodeid);
    killPrivileges(node, killSuidgid);
    if (offset + data.length > node.size) resize(node, offset + data.length);
    data.copy(node.data, offset);
    node.mtime = this.#now();
    node.ctime = node.mtime;
    return data.length;
  }

  fallocate({ nodeid, offset, length, mode }: Allocate): void {
    if ((mode & ~FALLOC_KNOWN) !== 0) throw new FsError('EOPNOTSUPP', 'fallocate');
    const node = this.#node(nodeid);
    const zero = (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) !== 0;
    if (zero) node.data.fill(0, offset, Math.min(offset + length, node.size));
    const grows = (mode & FALLOC_FL_KEEP_SIZE) === 0 && offset + length > node.size;
    if (grows) resize(node, offset + length);
    node.mtime = this.#now();
    node.ctime = node.mtime;
  }

  lseek(nodeid: NodeId, _fh: number, offset: number, whence: number): number {
    const { size } = this.#node(nodeid);
    if (offset >= size) throw new FsError('ENXIO', 'lseek');
    return whence === SEEK_DATA ? offset : size;
  }

  readdir(nodeid: NodeId, _fh: number, offset: number, sink: DirSink): void {
    const dir = this.#dir(nodeid);
    const up = dir.parent ?? dir;
    const type = direntType(S_IFDIR);
    if (offset < 1 && !sink.add({ name: DOT, ino: dir.id, type, nextOffset: 1 })) return;
    if (offset < 2 && !sink.add({ name: DOT_DOT, ino: up.id, type, nextOffset: 2 })) return;
    for (const [name, entry] of dir.entries) {
      if (entry.offset <= offset) continue;
      const { id: ino, mode } = entry.node;
      const dirent = { name, ino, type: direntType(mode), nextOffset: entry.offset };
      if (!sink.add(dirent, () => this.#entry(entry.node))) return;
    }
  }

  statfs(): StatFs {
    const files = this.#nodes.size;
    return { blocks: 0, bfree: 0, bavail: 0, files, ffree: 0, bsize: 4096, namelen: NAME_MAX };
  }

  setxattr({ nodeid, name, value, flags }: SetXattr): void {
    const { xattrs } = this.#node(nodeid);
    if ((flags & XATTR_CREATE) !== 0 && xattrs.has(name)) throw new FsError('EEXIST', 'setxattr');
    if ((flags & XATTR_REPLACE) !== 0 && !xattrs.has(name))
      throw new FsError('ENODATA', 'setxattr');
    xattrs.set(name, value);
  }

  getxattr(nodeid: NodeId, name: ByteName): Buffer | undefined {
    return this.#node(nodeid).xattrs.get(name);
  }

  listxattr(nodeid: NodeId): ByteName[] {
    return [...this.#node(nodeid).xattrs.keys()];
  }

  removexattr(nodeid: NodeId, name: ByteName): void {
    if (!this.#node(nodeid).xattrs.delete(name)) throw new FsError('ENODATA', 'removexattr');
  }

  #node(nodeid: NodeId): MemoryNode {
    const node = this.#nodes.get(nodeid);
    if (node === undefined) throw new FsError('ESTALE', 'node');
    return node;
  }

  #dir(nodeid: NodeId): MemoryNode {
    const node = this.#node(nodeid);
    if (!isDir(node)) throw new FsError('ENOTDIR', 'node');
    return node;
  }

  #child(dir: MemoryNode, name: ByteName): MemoryNode {
    const entry = dir.entries.get(name);
    if (entry === undefined) throw new FsError('ENOENT', 'node');
    return entry.node;
  }

  /** A directory that can take a new name. */
  #roomFor(parent: NodeId, name: ByteName): MemoryNode {
    const dir = this.#dir(parent);
    if (dir.entries.has(name)) throw new FsError('EEXIST', 'make');
    if (name.length > NAME_MAX) throw new FsError('ENAMETOOLONG', 'make');
    if (dir.nlink === 0) throw new FsError('ENOENT', 'make');
    return dir;
  }

  #replaceable(node: MemoryNode, target: MemoryNode): void {
    if (isDir(target) && !isDir(node)) throw new FsError('EISDIR', 'rename');
    if (!isDir(target) && isDir(node)) throw new FsError('ENOTDIR', 'rename');
    if (target.entries.size > 0) throw new FsError('ENOTEMPTY', 'rename');
  }

  #newNode(
    mode: number,
    { uid, gid }: Caller,
    options: { readonly dir?: MemoryNode; readonly rdev?: number } = {},
  ): MemoryNode {
    const { dir, rdev } = options;
    const inherits = dir !== undefined && (dir.mode & S_ISGID) !== 0;
    const sgid = inherits && (mode & S_IFMT) === S_IFDIR ? S_ISGID : 0;
    const owner = { mode: mode | sgid, uid, gid: inherits ? dir.gid : gid };
    const node = newNode(this.#nextId++, owner, this.#now(), rdev);
    this.#nodes.set(node.id, node);
    return node;
  }

  #entry(node: MemoryNode): Entry {
    node.nlookup++;
    return { nodeid: node.id, attr: attrOf(node) };
  }

  #attach(dir: MemoryNode, name: ByteName, node: MemoryNode): void {
    dir.entries.set(name, { node, offset: dir.nextOffset++ });
    this.#nodes.set(node.id, node);
    if (isDir(node)) {
      node.parent = dir;
      node.nlink = 2 + countDirs(node);
      dir.nlink++;
    } else {
      node.nlink++;
    }
    dir.mtime = this.#now();
    dir.ctime = dir.mtime;
  }

  #detach(dir: MemoryNode, name: ByteName): void {
    const node = this.#child(dir, name);
    dir.entries.delete(name);
    if (isDir(node)) {
      node.nlink = 0;
      dir.nlink--;
    } else {
      node.nlink--;
    }
    dir.mtime = this.#now();
    dir.ctime = dir.mtime;
    node.ctime = dir.mtime;
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
