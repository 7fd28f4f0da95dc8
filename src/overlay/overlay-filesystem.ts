import type {
  Allocate,
  Attr,
  Caller,
  CopyRange,
  DirSink,
  Entry,
  FileSystem,
  Ioctl,
  MakeNode,
  NodeId,
  Opened,
  ReadRange,
  Rename,
  SetAttr,
  SetXattr,
  StatFs,
  Write,
} from '../fuse/filesystem.js';
import { NAME_MAX, S_IFLNK } from '../sys/constants.js';
import { FsError } from '../sys/errno.js';
import { byteName, nameBytes, type ByteName } from '../util/byte-name.js';
import { typeOf, type Node } from './node.js';
import { setAttributes } from './ops-attr.js';
import {
  linkNode,
  makeDir,
  makeNode,
  makeSymlink,
  makeTmpfile,
  removeDir,
  unlinkName,
  type Owner,
} from './ops-dir.js';
import { allocate, copyFileBytes, writeFile } from './ops-file.js';
import { controlFile } from './ops-ioctl.js';
import { readDirectory } from './ops-readdir.js';
import { renameName } from './ops-rename.js';
import { removeXattr, setXattr } from './ops-xattr.js';
import type { Overlay } from './overlay.js';
import type { Tree } from './tree.js';

/** How an overlay has to be served: it keeps ACLs, and applies the umask itself. */
export const OVERLAY_SERVING = { posixAcl: true } as const;

const ROOT: Owner = { uid: 0, gid: 0 };
const NO_HANDLE = { fh: 0, openFlags: 0 };
const NO_NAMES: readonly ByteName[] = [];

/**
 * An overlay as the kernel sees it. Without handles: `open`, `opendir`, `flush` and `fsync` are
 * left out, so the kernel asks once and never again, and everything is found by nodeid alone.
 * `lseek` is left out because the kernel asks it without writing back first: an answer from our
 * side would show holes where data waits to be written.
 */
export class OverlayFileSystem implements FileSystem {
  readonly #overlay: Overlay;
  readonly #tree: Tree;

  constructor(overlay: Overlay) {
    this.#overlay = overlay;
    this.#tree = overlay.tree;
  }

  lookup(parent: NodeId, name: ByteName): Entry | undefined {
    const dir = this.#tree.directory(parent);
    if (name.length > NAME_MAX) throw new FsError('ENAMETOOLONG', 'lookup');
    // The kernel asks for these only to resolve file handles.
    if (name === '..') return referenced(dir.link?.parent ?? dir);
    if (name === '.') return referenced(dir);
    const node = this.#tree.lookup(dir, name);
    return node === undefined ? undefined : referenced(node);
  }

  forget(nodeid: NodeId, nlookup: number): void {
    this.#tree.forget(nodeid, nlookup);
  }

  getattr(nodeid: NodeId): Attr {
    return this.#tree.node(nodeid);
  }

  setattr(nodeid: NodeId, change: SetAttr, caller: Caller): Attr {
    const node = this.#tree.node(nodeid);
    // Before somebody without CAP_FSETID writes to a set-id file, the kernel asks for nothing at
    // all, and takes the mode from the answer; it does not ask for it after the write.
    const drop = caller.uid !== 0 && Object.keys(change).length === 1;
    return setAttributes(this.#tree, node, drop ? { killSuidgid: true } : change);
  }

  readlink(nodeid: NodeId): Buffer {
    const node = this.#tree.node(nodeid);
    if (typeOf(node.mode) !== S_IFLNK) throw new FsError('EINVAL', 'readlink');
    return nameBytes(node.target);
  }

  mknod(make: MakeNode, caller: Caller): Entry {
    const parent = this.#tree.directory(make.parent);
    return referenced(makeNode(this.#tree, { ...make, parent }, caller));
  }

  mkdir(make: MakeNode, caller: Caller): Entry {
    const parent = this.#tree.directory(make.parent);
    return referenced(makeDir(this.#tree, { ...make, parent }, caller));
  }

  symlink(parent: NodeId, name: ByteName, target: Buffer, caller: Caller): Entry {
    const make = { parent: this.#tree.directory(parent), name, target: byteName(target) };
    return referenced(makeSymlink(this.#tree, make, caller));
  }

  link(nodeid: NodeId, parent: NodeId, name: ByteName): Entry {
    const dir = this.#tree.directory(parent);
    return referenced(linkNode(this.#tree, this.#tree.node(nodeid), dir, name));
  }

  unlink(parent: NodeId, name: ByteName): void {
    unlinkName(this.#tree, this.#tree.directory(parent), name);
  }

  rmdir(parent: NodeId, name: ByteName): void {
    removeDir(this.#tree, this.#tree.directory(parent), name);
  }

  rename(rename: Rename, caller: Owner = ROOT): void {
    const tree = this.#tree;
    const ends = {
      parent: tree.directory(rename.parent),
      newParent: tree.directory(rename.newParent),
    };
    renameName(tree, { ...rename, ...ends }, caller);
  }

  create(make: MakeNode, _flags: number, caller: Caller): Entry & Opened {
    const { nodeid, attr } = this.mknod(make, caller);
    return { nodeid, attr, ...NO_HANDLE };
  }

  tmpfile(make: MakeNode, _flags: number, caller: Caller): Entry & Opened {
    const parent = this.#tree.directory(make.parent);
    const node = referenced(makeTmpfile(this.#tree, { ...make, parent }, caller));
    return { nodeid: node.nodeid, attr: node.attr, ...NO_HANDLE };
  }

  read({ nodeid, offset }: ReadRange, into: Buffer): number {
    return this.#tree.contents.read(this.#tree.node(nodeid), into, offset);
  }

  write({ nodeid, offset, data, killSuidgid }: Write): number {
    return writeFile(this.#tree, this.#tree.node(nodeid), { offset, data, killSuidgid });
  }

  readdir(nodeid: NodeId, _fh: number, offset: number, sink: DirSink): void {
    readDirectory(this.#tree, this.#tree.directory(nodeid), offset, sink);
  }

  statfs(): StatFs {
    return this.#overlay.statfs();
  }

  setxattr({ nodeid, name, value, flags, killSgid }: SetXattr): void {
    setXattr(this.#tree, this.#tree.node(nodeid), { name, value, flags, killSgid });
  }

  getxattr(nodeid: NodeId, name: ByteName): Buffer | undefined {
    return this.#tree.node(nodeid).xattrs?.get(name);
  }

  listxattr(nodeid: NodeId): readonly ByteName[] {
    const { xattrs } = this.#tree.node(nodeid);
    return xattrs === undefined ? NO_NAMES : [...xattrs.keys()];
  }

  removexattr(nodeid: NodeId, name: ByteName): void {
    removeXattr(this.#tree, this.#tree.node(nodeid), name);
  }

  fallocate({ nodeid, offset, length, mode }: Allocate): void {
    allocate(this.#tree, this.#tree.node(nodeid), { offset, length, mode });
  }

  ioctl({ nodeid, command, argument }: Ioctl): Buffer {
    return controlFile(this.#tree, this.#tree.node(nodeid), command, argument);
  }

  copyFileRange(range: CopyRange): number {
    const tree = this.#tree;
    return copyFileBytes(tree, {
      from: tree.node(range.nodeidIn),
      fromOffset: range.offsetIn,
      to: tree.node(range.nodeidOut),
      toOffset: range.offsetOut,
      length: range.length,
    });
  }
}

/** Counts a lookup. */
function referenced(node: Node): Node {
  node.nlookup += 1;
  return node;
}
