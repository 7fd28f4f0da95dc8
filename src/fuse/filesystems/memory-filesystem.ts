import { freemem, totalmem } from 'node:os';

import {
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_ZERO_RANGE,
  NAME_MAX,
  RENAME_EXCHANGE,
  RENAME_NOREPLACE,
  RENAME_WHITEOUT,
  S_IFCHR,
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
  SEEK_DATA,
  XATTR_CREATE,
  XATTR_REPLACE,
  direntType,
} from '../../sys/constants.js';
import { FsError } from '../../sys/errno.js';
import type { ByteName } from '../../util/byte-name.js';
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
  Write,
} from '../filesystem.js';
import type { MemoryNode } from './memory-node.js';
import { attrOf, isDir, killPrivileges, resize, seek } from './memory-node.js';
import { MemoryTree } from './memory-tree.js';

const DOT = '.' as ByteName;
const DOT_DOT = '..' as ByteName;
const PAGE_BYTES = 4096;
/** As statfs(2) shows it, in pages: what the machine has when this is loaded. */
const MEMORY = {
  total: Math.trunc(totalmem() / PAGE_BYTES),
  free: Math.trunc(freemem() / PAGE_BYTES),
};
/** Those of POSIX ACLs would change the mode. */
const XATTR_KINDS = /^(?:user|trusted|security)\./;
const RENAME_KNOWN = RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT;
const FALLOC_KNOWN = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE;

/** A whole file system in memory: an example, and the tests' subject. Files stay below 2 GiB. */
export class MemoryFileSystem implements FileSystem {
  readonly #tree = new MemoryTree();

  lookup(parent: NodeId, name: ByteName): Entry | undefined {
    if (name.length > NAME_MAX) throw new FsError('ENAMETOOLONG', 'lookup');
    const entry = this.#tree.dir(parent).entries.get(name);
    return entry === undefined ? undefined : this.#tree.entry(entry.node);
  }

  forget(nodeid: NodeId, nlookup: number): void {
    this.#tree.forget(nodeid, nlookup);
  }

  getattr(nodeid: NodeId): Attr {
    return attrOf(this.#tree.node(nodeid));
  }

  setattr(nodeid: NodeId, change: SetAttr): Attr {
    const node = this.#tree.node(nodeid);
    const now = this.#tree.now();
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
    const { mode, data } = this.#tree.node(nodeid);
    if ((mode & S_IFMT) !== S_IFLNK) throw new FsError('EINVAL', 'readlink');
    return data;
  }

  mknod(make: MakeNode, caller: Caller): Entry {
    const dir = this.#tree.roomFor(make.parent, make.name);
    const node = this.#tree.newNode(make.mode, caller, { dir, rdev: make.rdev });
    this.#tree.attach(dir, make.name, node);
    return this.#tree.entry(node);
  }

  mkdir(make: MakeNode, caller: Caller): Entry {
    return this.mknod(make, caller);
  }

  create(make: MakeNode, _flags: number, caller: Caller): Entry & Opened {
    return { ...this.mknod(make, caller), fh: 0, openFlags: 0 };
  }

  tmpfile(make: MakeNode, _flags: number, caller: Caller): Entry & Opened {
    const node = this.#tree.newNode(make.mode, caller, { dir: this.#tree.dir(make.parent) });
    return { ...this.#tree.entry(node), fh: 0, openFlags: 0 };
  }

  symlink(parent: NodeId, name: ByteName, target: Buffer, caller: Caller): Entry {
    const dir = this.#tree.roomFor(parent, name);
    const node = this.#tree.newNode(S_IFLNK | 0o777, caller, { dir });
    node.data = target;
    node.size = target.length;
    this.#tree.attach(dir, name, node);
    return this.#tree.entry(node);
  }

  link(nodeid: NodeId, parent: NodeId, name: ByteName): Entry {
    const node = this.#tree.node(nodeid);
    if (isDir(node)) throw new FsError('EPERM', 'link');
    this.#tree.attach(this.#tree.roomFor(parent, name), name, node);
    node.ctime = this.#tree.now();
    return this.#tree.entry(node);
  }

  unlink(parent: NodeId, name: ByteName): void {
    const dir = this.#tree.dir(parent);
    const node = this.#tree.child(dir, name);
    if (isDir(node)) throw new FsError('EISDIR', 'unlink');
    this.#tree.detach(dir, name);
  }

  rmdir(parent: NodeId, name: ByteName): void {
    const dir = this.#tree.dir(parent);
    const node = this.#tree.child(dir, name);
    if (!isDir(node)) throw new FsError('ENOTDIR', 'rmdir');
    if (node.entries.size > 0) throw new FsError('ENOTEMPTY', 'rmdir');
    this.#tree.detach(dir, name);
  }

  rename({ parent, name, newParent, newName, flags }: Rename, caller: Caller): void {
    if ((flags & ~RENAME_KNOWN) !== 0) throw new FsError('EINVAL', 'rename');
    const [from, to] = [this.#tree.dir(parent), this.#tree.dir(newParent)];
    const node = this.#tree.child(from, name);
    const target = to.entries.get(newName)?.node;
    if (target !== undefined && (flags & RENAME_NOREPLACE) !== 0) {
      throw new FsError('EEXIST', 'rename');
    }
    if ((flags & RENAME_EXCHANGE) !== 0) {
      if (target === undefined) throw new FsError('ENOENT', 'rename');
      this.#tree.detach(from, name);
      this.#tree.detach(to, newName);
      this.#tree.attach(from, name, target);
    } else {
      if (target === node) return;
      if (target !== undefined) assertReplaceable(node, target);
      this.#tree.detach(from, name);
      if (target !== undefined) this.#tree.detach(to, newName);
    }
    this.#tree.attach(to, newName, node);
    node.ctime = this.#tree.now();
    if ((flags & RENAME_WHITEOUT) === 0) return;
    this.#tree.attach(from, name, this.#tree.newNode(S_IFCHR, caller, { dir: from }));
  }

  read({ nodeid, offset }: ReadRange, into: Buffer): number {
    const { data, size } = this.#tree.node(nodeid);
    return offset >= size ? 0 : data.copy(into, 0, offset, Math.min(size, offset + into.length));
  }

  write({ nodeid, offset, data, killSuidgid }: Write): number {
    const node = this.#tree.node(nodeid);
    killPrivileges(node, killSuidgid);
    if (offset + data.length > node.size) resize(node, offset + data.length);
    data.copy(node.data, offset);
    node.mtime = this.#tree.now();
    node.ctime = node.mtime;
    return data.length;
  }

  fallocate({ nodeid, offset, length, mode }: Allocate): void {
    if ((mode & ~FALLOC_KNOWN) !== 0) throw new FsError('EOPNOTSUPP', 'fallocate');
    const node = this.#tree.node(nodeid);
    const zero = (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) !== 0;
    if (zero && offset < node.size) {
      node.data.fill(0, offset, Math.min(offset + length, node.size));
    }
    const grows = (mode & FALLOC_FL_KEEP_SIZE) === 0 && offset + length > node.size;
    if (grows) resize(node, offset + length);
    node.mtime = this.#tree.now();
    node.ctime = node.mtime;
  }

  lseek(nodeid: NodeId, _fh: number, offset: number, whence: number): number {
    return seek(this.#tree.node(nodeid), offset, whence === SEEK_DATA);
  }

  readdir(nodeid: NodeId, _fh: number, offset: number, sink: DirSink): void {
    const dir = this.#tree.dir(nodeid);
    const up = dir.parent ?? dir;
    const type = direntType(S_IFDIR);
    if (offset < 1 && !sink.add({ name: DOT, ino: dir.id, type, nextOffset: 1 })) return;
    if (offset < 2 && !sink.add({ name: DOT_DOT, ino: up.id, type, nextOffset: 2 })) return;
    for (const [name, entry] of dir.entries) {
      if (entry.offset <= offset) continue;
      const { id: ino, mode } = entry.node;
      const dirent = { name, ino, type: direntType(mode), nextOffset: entry.offset };
      if (!sink.add(dirent, () => this.#tree.entry(entry.node))) return;
    }
  }

  statfs(): StatFs {
    const files = this.#tree.size;
    const { total, free } = MEMORY;
    const room = { blocks: total, bfree: free, bavail: free, bsize: PAGE_BYTES };
    return { ...room, files, ffree: free, namelen: NAME_MAX };
  }

  setxattr({ nodeid, name, value, flags }: SetXattr): void {
    const { xattrs } = this.#tree.node(nodeid);
    if (name.length > NAME_MAX) throw new FsError('ERANGE', 'setxattr');
    if (!XATTR_KINDS.test(name)) throw new FsError('EOPNOTSUPP', 'setxattr');
    if ((flags & XATTR_CREATE) !== 0 && xattrs.has(name)) throw new FsError('EEXIST', 'setxattr');
    if ((flags & XATTR_REPLACE) !== 0 && !xattrs.has(name))
      throw new FsError('ENODATA', 'setxattr');
    xattrs.set(name, value);
  }

  getxattr(nodeid: NodeId, name: ByteName): Buffer | undefined {
    return this.#tree.node(nodeid).xattrs.get(name);
  }

  listxattr(nodeid: NodeId, { uid }: Caller): ByteName[] {
    const names = [...this.#tree.node(nodeid).xattrs.keys()];
    // The kernel hides their values, not their names.
    return uid === 0 ? names : names.filter((name) => !name.startsWith('trusted.'));
  }

  removexattr(nodeid: NodeId, name: ByteName): void {
    if (!this.#tree.node(nodeid).xattrs.delete(name)) throw new FsError('ENODATA', 'removexattr');
  }
}

function assertReplaceable(node: MemoryNode, target: MemoryNode): void {
  if (isDir(target) && !isDir(node)) throw new FsError('EISDIR', 'rename');
  if (!isDir(target) && isDir(node)) throw new FsError('ENOTDIR', 'rename');
  if (target.entries.size > 0) throw new FsError('ENOTEMPTY', 'rename');
}
