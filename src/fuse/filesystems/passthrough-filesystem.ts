import {
  O_DIRECTORY,
  O_RDONLY,
  O_RDWR,
  O_TMPFILE,
  O_WRONLY,
  RENAME_EXCHANGE,
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
  S_ISGID,
} from '../../sys/constants.js';
import { decodeDev } from '../../sys/device-number.js';
import {
  fchmodat,
  fchownat,
  linkat,
  mkdirat,
  mknodat,
  readDir,
  readlinkat,
  renameat2,
  symlinkat,
  unlinkat,
  type Dirent,
} from '../../sys/directory.js';
import { FsError } from '../../sys/errno.js';
import type { Fd } from '../../sys/fd.js';
import {
  copyFileRange,
  fallocate,
  fsync,
  ftruncate,
  lseek,
  openat,
  preadFull,
  pwrite,
} from '../../sys/file.js';
import { fstat, fstatat, statfs, type Statx } from '../../sys/stat.js';
import { getxattr, listxattr, removexattr, setxattr } from '../../sys/xattr.js';
import { byteNameOf, nameBytes, type ByteName } from '../../util/byte-name.js';
import type {
  Allocate,
  Attr,
  Caller,
  CopyRange,
  DirSink,
  Entry,
  Fh,
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
import { SAME_ID, attrOf, changeAttributes, dropSuidgid } from './passthrough-attributes.js';
import { HostNodes, magicPath, type HostNode } from './passthrough-nodes.js';

const DOT: Dirent = { name: byteNameOf('.'), ino: 1, type: 4 };
const DOT_DOT: Dirent = { name: byteNameOf('..'), ino: 1, type: 4 };

/**
 * A directory of the host, as it is, with all of its operations but POSIX ACLs and chattr(1). The
 * process needs the rights of whoever uses the mount: root, or root of the user namespace. The
 * kernel keeps what it has learnt: others must not change the directory meanwhile, unless the
 * mount's timeouts allow for it. At most some 130 descriptors are open, and one for each inode in
 * use without a name.
 */
export class PassthroughFileSystem implements FileSystem, Disposable {
  readonly #nodes: HostNodes;
  readonly #directory: string;
  readonly #listings = new Map<Fh, readonly Dirent[]>();
  #lastFh = 0;

  constructor(directory: string) {
    this.#directory = directory;
    this.#nodes = new HostNodes(directory);
  }

  lookup(parent: NodeId, name: ByteName): Entry | undefined {
    const dir = this.#nodes.get(parent);
    const stat = fstatat(this.#nodes.handle(dir), nameBytes(name));
    return stat && this.#entry(this.#nodes.found(stat, { parent: dir, name }), stat);
  }

  forget(nodeid: NodeId, nlookup: number): void {
    this.#nodes.forget(nodeid, nlookup);
  }

  getattr(nodeid: NodeId): Attr {
    return attrOf(fstat(this.#handle(nodeid)));
  }

  setattr(nodeid: NodeId, change: SetAttr): Attr {
    const node = this.#nodes.get(nodeid);
    if (change.size !== undefined) ftruncate(this.#nodes.content(node, O_RDWR), change.size);
    changeAttributes(this.#nodes.handle(node), change);
    return attrOf(fstat(this.#nodes.handle(node)));
  }

  readlink(nodeid: NodeId): Buffer {
    return readlinkat(this.#handle(nodeid), '');
  }

  mknod(make: MakeNode, caller: Caller): Entry {
    const { major, minor } = decodeDev(make.rdev);
    return this.#make(make, caller, (dir, name) => mknodat(dir, name, make.mode, major, minor));
  }

  mkdir(make: MakeNode, caller: Caller): Entry {
    return this.#make(make, caller, (dir, name) => mkdirat(dir, name, 0o700));
  }

  symlink(parent: NodeId, name: ByteName, target: Buffer, caller: Caller): Entry {
    const make = { parent, name, mode: S_IFLNK | 0o777, rdev: 0 };
    return this.#make(make, caller, (dir, path) => symlinkat(target, dir, path));
  }

  /** Makes a node, and gives it its owner and mode. */
  #make(
    { parent, name, mode }: MakeNode,
    caller: Caller,
    make: (dir: Fd, name: Buffer) => void,
  ): Entry {
    const dir = this.#nodes.get(parent);
    const dirFd = this.#nodes.handle(dir);
    const path = nameBytes(name);
    make(dirFd, path);
    const gives = (fstat(dirFd).mode & S_ISGID) !== 0;
    fchownat(dirFd, path, caller.uid, gives ? SAME_ID : caller.gid);
    if ((mode & S_IFMT) !== S_IFLNK) {
      const sgid = gives && (mode & S_IFMT) === S_IFDIR ? S_ISGID : 0;
      fchmodat(dirFd, path, (mode & 0o7777) | sgid);
    }
    const entry = this.lookup(parent, name);
    if (entry === undefined) throw new FsError('ENOENT', 'make');
    return entry;
  }

  tmpfile({ parent, mode }: MakeNode, _flags: number, caller: Caller): Entry & Opened {
    const dirFd = this.#nodes.handle(this.#nodes.get(parent));
    const fd = openat(undefined, magicPath(dirFd), O_TMPFILE | O_RDWR, 0o600);
    const gives = (fstat(dirFd).mode & S_ISGID) !== 0;
    fchownat(fd, '', caller.uid, gives ? SAME_ID : caller.gid);
    fchmodat(undefined, magicPath(fd), mode & 0o7777);
    const stat = fstat(fd);
    const node = this.#nodes.found(stat, undefined);
    node.pinned = fd;
    return { ...this.#entry(node, stat), fh: 0, openFlags: 0 };
  }

  link(nodeid: NodeId, parent: NodeId, name: ByteName): Entry {
    const node = this.#nodes.get(nodeid);
    const dir = this.#nodes.get(parent);
    // A descriptor of its own: the cache may close the first for the second.
    using fd = this.#nodes.reopenPath(node);
    linkat(undefined, magicPath(fd), this.#nodes.handle(dir), nameBytes(name), { follow: true });
    const stat = fstat(fd);
    return this.#entry(this.#nodes.found(stat, { parent: dir, name }), stat);
  }

  unlink(parent: NodeId, name: ByteName): void {
    this.#remove(parent, name, false);
  }

  rmdir(parent: NodeId, name: ByteName): void {
    this.#remove(parent, name, true);
  }

  #remove(parent: NodeId, name: ByteName, isDir: boolean): void {
    const dir = this.#nodes.get(parent);
    const node = this.#knownAt(dir, name);
    this.#nodes.removing(node, () =>
      unlinkat(this.#nodes.handle(dir), nameBytes(name), { dir: isDir }),
    );
    if (node !== undefined) this.#nodes.unnamed(node, { parent: dir, name });
  }

  rename({ parent, name, newParent, newName, flags }: Rename): void {
    const [from, to] = [this.#nodes.get(parent), this.#nodes.get(newParent)];
    const [node, target] = [this.#knownAt(from, name), this.#knownAt(to, newName)];
    this.#nodes.removing(target, () => {
      using fromFd = this.#nodes.reopenPath(from);
      renameat2(fromFd, nameBytes(name), this.#nodes.handle(to), nameBytes(newName), flags);
    });
    if (node === target) return;
    const [before, after] = [
      { parent: from, name },
      { parent: to, name: newName },
    ];
    if (target !== undefined) this.#nodes.unnamed(target, after);
    if (node !== undefined) this.#nodes.moved(node, before, after);
    const isExchange = (flags & RENAME_EXCHANGE) !== 0;
    if (target !== undefined && isExchange) this.#nodes.moved(target, after, before);
  }

  /** The node under a name, if the kernel knows it. */
  #knownAt(dir: HostNode, name: ByteName): HostNode | undefined {
    const stat = fstatat(this.#nodes.handle(dir), nameBytes(name));
    return stat && this.#nodes.known(stat);
  }

  read({ nodeid, offset }: ReadRange, into: Buffer): number {
    return preadFull(this.#nodes.content(this.#nodes.get(nodeid), O_RDONLY), into, offset);
  }

  write({ nodeid, offset, data, killSuidgid }: Write): number {
    const node = this.#nodes.get(nodeid);
    pwrite(this.#nodes.content(node, O_RDWR), data, offset);
    if (killSuidgid) dropSuidgid(this.#nodes.handle(node));
    return data.length;
  }

  fsync(nodeid: NodeId, _fh: Fh, datasync: boolean): void {
    fsync(this.#nodes.content(this.#nodes.get(nodeid), O_RDWR), { datasync });
  }

  fallocate({ nodeid, offset, length, mode }: Allocate): void {
    fallocate(this.#nodes.content(this.#nodes.get(nodeid), O_RDWR), mode, offset, length);
  }

  lseek(nodeid: NodeId, _fh: Fh, offset: number, whence: number): number {
    const found = lseek(this.#nodes.content(this.#nodes.get(nodeid), O_RDONLY), offset, whence);
    if (found === undefined) throw new FsError('ENXIO', 'lseek');
    return found;
  }

  copyFileRange({ nodeidIn, offsetIn, nodeidOut, offsetOut, length }: CopyRange): number {
    using from = this.#nodes.reopen(this.#nodes.get(nodeidIn), O_RDONLY);
    const to = this.#nodes.content(this.#nodes.get(nodeidOut), O_WRONLY);
    return copyFileRange({ from, fromOffset: offsetIn, to, toOffset: offsetOut, length });
  }

  opendir(): Opened {
    return { fh: ++this.#lastFh, openFlags: 0 };
  }

  releasedir(_nodeid: NodeId, fh: Fh): void {
    this.#listings.delete(fh);
  }

  readdir(nodeid: NodeId, fh: Fh, offset: number, sink: DirSink): void {
    // rewinddir(3) shows what there is by then.
    if (offset === 0) this.#listings.set(fh, this.#list(nodeid));
    const dir = this.#nodes.get(nodeid);
    const names = this.#listings.get(fh) ?? [];
    for (let i = offset; i < names.length; i++) {
      const { name, ino, type } = names[i] ?? DOT;
      const dirent = { name, ino, type, nextOffset: i + 1 };
      const stat = sink.plus && i > 1 ? this.#statAt(dir, name) : undefined;
      // A name that has gone meanwhile is listed without attributes.
      const lookup =
        stat && (() => this.#entry(this.#nodes.found(stat, { parent: dir, name }), stat));
      if (!sink.add(dirent, lookup)) return;
    }
  }

  #statAt(dir: HostNode, name: ByteName): Statx | undefined {
    return fstatat(this.#nodes.handle(dir), nameBytes(name));
  }

  #list(nodeid: NodeId): readonly Dirent[] {
    using fd = this.#nodes.reopen(this.#nodes.get(nodeid), O_RDONLY | O_DIRECTORY);
    return [DOT, DOT_DOT, ...readDir(fd)];
  }

  statfs(): StatFs {
    return statfs(this.#directory);
  }

  setxattr({ nodeid, name, value, flags }: SetXattr): void {
    setxattr(this.#handle(nodeid), name, value, flags);
  }

  getxattr(nodeid: NodeId, name: ByteName): Buffer | undefined {
    return getxattr(this.#handle(nodeid), name);
  }

  listxattr(nodeid: NodeId, { uid }: Caller): readonly ByteName[] {
    const names = listxattr(this.#handle(nodeid));
    // The kernel hides their values, not their names.
    return uid === 0 ? names : names.filter((name) => !name.startsWith('trusted.'));
  }

  removexattr(nodeid: NodeId, name: ByteName): void {
    removexattr(this.#handle(nodeid), name);
  }

  destroy(): void {
    this[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.#nodes[Symbol.dispose]();
  }

  #handle(nodeid: NodeId): Fd {
    return this.#nodes.handle(this.#nodes.get(nodeid));
  }

  #entry({ id }: HostNode, stat: Statx): Entry {
    return { nodeid: id, attr: attrOf(stat) };
  }
}
