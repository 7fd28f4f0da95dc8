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
import { NAME_MAX, RENAME_WHITEOUT, S_IFCHR, S_IFLNK } from '../sys/constants.js';
import { FsError } from '../sys/errno.js';
import { inInitialUserNamespace } from '../sys/namespace.js';
import { byteName, nameBytes, type ByteName } from '../util/byte-name.js';
import { ROOT_CALLER } from './caller.js';
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
} from './ops-dir.js';
import { allocate, copyFileBytes, writeFile } from './ops-file.js';
import { controlFile } from './ops-ioctl.js';
import { readDirectory } from './ops-readdir.js';
import { renameName } from './ops-rename.js';
import { getXattr, listXattrs, removeXattr, setXattr } from './ops-xattr.js';
import type { Overlay } from './overlay.js';
import type { Tree } from './tree.js';

/** How an overlay has to be served: it keeps ACLs, and applies the umask itself. */
export const OVERLAY_SERVING = { posixAcl: true } as const;

const NO_HANDLE = { fh: 0, openFlags: 0 };

/** What a mount does otherwise than by default. */
export interface OverlayBehaviour {
  /**
   * No 0/0 character device can be made (EPERM; RENAME_WHITEOUT: EINVAL), as on the kernel's
   * overlayfs: where the changes are kept in its format, such a device means a removed name.
   */
  readonly refusesWhiteouts?: boolean;
  /**
   * Root may write to set-id files: it has CAP_FSETID as the kernel sees it. Default: where this
   * process is in the initial user namespace.
   */
  readonly rootKeepsSetId?: boolean;
}

/**
 * An overlay as the kernel sees it. Without handles: `open`, `opendir`, `flush` and `fsync` are
 * left out, so the kernel asks once and never again, and everything is found by nodeid alone.
 */
export class OverlayFileSystem implements FileSystem {
  readonly #overlay: Overlay;
  readonly #tree: Tree;
  readonly #refusesWhiteouts: boolean;
  readonly #rootKeepsSetId: boolean;

  constructor(overlay: Overlay, behaviour: OverlayBehaviour = {}) {
    const { refusesWhiteouts = false, rootKeepsSetId = inInitialUserNamespace() } = behaviour;
    this.#rootKeepsSetId = rootKeepsSetId;
    this.#overlay = overlay;
    this.#tree = overlay.tree;
    this.#refusesWhiteouts = refusesWhiteouts;
  }

  lookup(parent: NodeId, name: ByteName): Entry | undefined {
    const dir = this.#tree.directory(parent);
    if (name.length > NAME_MAX) throw new FsError('ENAMETOOLONG', 'lookup');
    // The kernel asks for these only to resolve file handles.
    if (name === '..') return referenced(dir.link?.parent ?? dir);
    if (name === '.') return referenced(dir);
    const node = this.#tree.lookup(dir, name);
    if (node === undefined) return undefined;
    this.#tree.contents.measure(node);
    return referenced(node);
  }

  forget(nodeid: NodeId, nlookup: number): void {
    this.#tree.forget(nodeid, nlookup);
  }

  getattr(nodeid: NodeId): Attr {
    const node = this.#tree.node(nodeid);
    // The kernel asks again when a file that was written to is closed.
    this.#tree.contents.measure(node);
    return node;
  }

  setattr(nodeid: NodeId, change: SetAttr, caller: Caller): Attr {
    const node = this.#tree.node(nodeid);
    const keeps = caller.uid === 0 && this.#rootKeepsSetId;
    return setAttributes(this.#tree, node, withKill(change, keeps), caller);
  }

  readlink(nodeid: NodeId): Buffer {
    const node = this.#tree.node(nodeid);
    if (typeOf(node.mode) !== S_IFLNK) throw new FsError('EINVAL', 'readlink');
    return nameBytes(node.target);
  }

  mknod(make: MakeNode, caller: Caller): Entry {
    if (this.#refusesWhiteouts && typeOf(make.mode) === S_IFCHR && make.rdev === 0) {
      throw new FsError('EPERM', 'mknod');
    }
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

  rename(rename: Rename, caller: Caller = ROOT_CALLER): void {
    const tree = this.#tree;
    if (this.#refusesWhiteouts && (rename.flags & RENAME_WHITEOUT) !== 0) {
      throw new FsError('EINVAL', 'rename');
    }
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

  write({ nodeid, offset, data, killSuidgid }: Write, caller: Caller = ROOT_CALLER): number {
    const write = { offset, data, killSuidgid, caller };
    return writeFile(this.#tree, this.#tree.node(nodeid), write);
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
    return getXattr(this.#tree.node(nodeid), name);
  }

  listxattr(nodeid: NodeId, caller: Caller = ROOT_CALLER): readonly ByteName[] {
    return listXattrs(this.#tree.node(nodeid), caller);
  }

  removexattr(nodeid: NodeId, name: ByteName): void {
    removeXattr(this.#tree, this.#tree.node(nodeid), name);
  }

  fallocate({ nodeid, offset, length, mode }: Allocate): void {
    allocate(this.#tree, this.#tree.node(nodeid), { offset, length, mode });
  }

  lseek(nodeid: NodeId, _fh: number, offset: number, whence: number): number {
    return this.#tree.contents.seek(this.#tree.node(nodeid), offset, whence);
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

/**
 * Where a set-id file is to lose its bits, the kernel leaves them out of what it asks for, and
 * takes the mode from the answer: it asks for nothing at all before a write of somebody without
 * CAP_FSETID, and for a new ctime alone for a chown(2) that names neither owner nor group.
 */
function withKill(change: SetAttr, keeps: boolean): SetAttr {
  const fields = Object.keys(change).length;
  const isChown = fields === 2 && change.ctime !== undefined;
  const isWrite = fields === 1 && !keeps;
  return isChown || isWrite ? { ...change, killSuidgid: true } : change;
}
