import {
  DT_REG,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_RDONLY,
  S_IFCHR,
  S_IFLNK,
  S_IFREG,
  direntType,
} from '../sys/constants.js';
import { withShortPath } from '../sys/deep-path.js';
import { encodeDev } from '../sys/device-number.js';
import { readDir, readlinkat } from '../sys/directory.js';
import { openat } from '../sys/file.js';
import { fstatat, type Statx } from '../sys/stat.js';
import { hashName } from '../layer/name-hash.js';
import { WHITEOUT, WHITEOUT_PREFIX } from '../layer/types.js';
import { byteName, byteNameOf, displayName, nameBytes, type ByteName } from '../util/byte-name.js';
import { FsError } from '../sys/errno.js';
import { UserError } from '../util/errors.js';
import type { Handle, LowerLayer, Peeked, Redirect } from './lower.js';
import { Node, isDirMode, typeOf } from './node.js';
import { PlainHandles } from './plain-handles.js';
import { keyOf, newInode, type Names, type PlainInode } from './plain-inode.js';
import { inoOfListed, isTelling, listed, typeOfListed } from './plain-listing.js';
import { findByInode, findLinked, type InodeKey } from './find-by-inode.js';
import { readMarks, readXattrs, type Marks } from './overlay-xattrs.js';
import {
  assertRedirectName,
  componentsOf,
  findDirs,
  findMetacopyContent,
} from './plain-redirect.js';

const OPAQUE_MARKER = byteNameOf('.wh..wh..opq');
/** What aufs kept for itself; no whiteouts. */
const MARKER_PREFIX = '.wh..wh.';

/** d_type is the type of a mode, shifted. */
const MODE_TYPE_SHIFT = 12;

/** Stands between a layer and what the tree shows; left out: as it is. */
export interface PlainView {
  /** Changes what was loaded of a file, in place. */
  load(node: Node): void;
}

/** What a plain layer is opened with. */
export interface PlainLowerOptions {
  readonly position: number;
  readonly dir: string;
  /** The layers below, base first: for redirects, and files whose bytes are there. */
  readonly below?: readonly LowerLayer[];
  readonly view?: PlainView | undefined;
}

/**
 * A directory without an index, taken as a layer as it is, and as the kernel's overlayfs,
 * fuse-overlayfs and unpacked archives write them: 0/0 devices and `.wh.NAME` are whiteouts;
 * `.wh..wh..opq` and attributes (overlay-xattrs.ts) make a directory opaque, or say where lower
 * layers have the rest of it. It must not change.
 */
export class PlainLower implements LowerLayer {
  readonly position: number;
  readonly #below: readonly LowerLayer[];
  readonly #view: PlainView | undefined;
  readonly #rootBytes: number;
  readonly #inodes = new Map<Handle, PlainInode>();
  readonly #handles = new PlainHandles();

  constructor({ position, dir, below = [], view }: PlainLowerOptions) {
    this.position = position;
    this.#below = below;
    this.#view = view;
    const path = Buffer.from(dir);
    this.#rootBytes = path.length;
    const stat = fstatat(undefined, path, { follow: true });
    if (stat === undefined || !isDirMode(stat.mode)) {
      throw new UserError('TSB_BUILD', `Cannot use '${dir}' as a layer: it is not a directory`);
    }
    this.#inodes.set(0, newInode(path, stat, false));
  }

  #addInode(path: Buffer, stat: Statx, isReplaced: boolean): Handle {
    let handle = this.#handles.of(stat.dev, stat.ino);
    const known = this.#inodes.get(handle);
    if (known !== undefined) {
      if ((stat.nlink > 1 && !isDirMode(stat.mode)) || known.path.equals(path)) return handle;
      // A mount within the layer, or a file system that numbers badly.
      handle = this.#handles.other(path);
    }
    this.#inodes.set(handle, newInode(path, stat, isReplaced));
    return handle;
  }

  /** Forgets what is known of inodes but these: they get the same handles when found again. */
  keep(handles: ReadonlySet<Handle>): void {
    const forgotten = new Map<Handle, Handle>();
    for (const [handle, { ino, mode }] of this.#inodes) {
      if (handle === 0 || handles.has(handle)) continue;
      this.#inodes.delete(handle);
      forgotten.set(handle, listed(ino, direntType(mode)));
    }
    for (const { names } of this.#inodes.values()) {
      for (const [name, child] of names ?? []) {
        const before = child === WHITEOUT ? undefined : forgotten.get(child);
        if (before !== undefined) names?.set(name, before);
      }
    }
  }

  #inode(handle: Handle): PlainInode {
    const inode = this.#inodes.get(handle);
    if (inode === undefined) throw new RangeError(`Cannot find inode ${handle}`);
    return inode;
  }

  #names(dir: Handle): Names {
    const inode = this.#inode(dir);
    if (inode.names !== undefined) return inode.names;
    // What the mount of the directory itself is a link to may be followed.
    const flags = O_RDONLY | O_DIRECTORY | (dir === 0 ? 0 : O_NOFOLLOW);
    using fd = withShortPath(inode.path, (path) => openat(undefined, path, flags));
    const names: Names = new Map();
    const whiteouts: ByteName[] = [];
    for (const { name, ino, type } of readDir(fd)) {
      if (!name.startsWith(WHITEOUT_PREFIX)) names.set(name, listed(ino, type));
      else if (!name.startsWith(MARKER_PREFIX)) {
        whiteouts.push(name.slice(WHITEOUT_PREFIX.length) as ByteName);
      }
    }
    for (const name of whiteouts) {
      // Of a whiteout and a file of that name in one layer, the file is newer.
      if (names.has(name)) (inode.replaced ??= new Set()).add(name);
      else names.set(name, WHITEOUT);
    }
    inode.names = names;
    return names;
  }

  #stat(dir: Handle, name: ByteName): Handle | typeof WHITEOUT {
    const path = this.#pathOf(dir, name);
    const stat = withShortPath(path, (at) => fstatat(undefined, at));
    if (stat === undefined || this.#isWhiteout(dir, path, stat)) return WHITEOUT;
    return this.#addInode(path, stat, this.#inode(dir).replaced?.has(name) === true);
  }

  #pathOf(dir: Handle, name: ByteName): Buffer {
    return Buffer.concat([this.#inode(dir).path, Buffer.from('/'), nameBytes(name)]);
  }

  #isWhiteout(dir: Handle, path: Buffer, stat: Statx): boolean {
    const type = typeOf(stat.mode);
    if (type === S_IFCHR) return stat.rdevMajor === 0 && stat.rdevMinor === 0;
    if (type !== S_IFREG || stat.size > 0) return false;
    return this.#marks(dir).opaque === 'xwhiteouts' && readMarks(path).isWhiteout;
  }

  #marks(dir: Handle): Marks {
    const inode = this.#inode(dir);
    return (inode.marks ??= readMarks(inode.path));
  }

  mode(handle: Handle): number {
    return this.#inode(handle).mode;
  }

  opaque(dir: Handle): boolean {
    // Of the base nobody needs to know.
    if (this.#below.length === 0) return false;
    const inode = this.#inode(dir);
    return (inode.opaque ??=
      inode.isReplaced || this.#marks(dir).opaque === 'all' || hasOpaqueMarker(inode.path));
  }

  redirect(dir: Handle): Redirect | undefined {
    if (this.#below.length === 0 || dir === 0) return undefined;
    const { redirect } = this.#marks(dir);
    if (redirect === undefined) return undefined;
    if (redirect.startsWith('/')) {
      return { kind: 'elsewhere', refs: findDirs(this.#below, componentsOf(redirect)) };
    }
    assertRedirectName(redirect, this.#inode(dir).path);
    return { kind: 'name', name: redirect };
  }

  implied(): boolean {
    return false;
  }

  child(dir: Handle, name: ByteName): Handle | typeof WHITEOUT | undefined {
    const names = this.#names(dir);
    let child = names.get(name);
    if (child === undefined || child === WHITEOUT || child >= 0) return child;
    child = this.#stat(dir, name);
    names.set(name, child);
    return child;
  }

  peek(dir: Handle, name: ByteName): Peeked | typeof WHITEOUT | undefined {
    let child = this.#names(dir).get(name);
    if (child === undefined || child === WHITEOUT) return child;
    if (child < 0) {
      const type = typeOfListed(child);
      const mayHide = type === DT_REG && this.#marks(dir).opaque === 'xwhiteouts';
      if (isTelling(type) && !mayHide) {
        const handle = this.#handles.of(this.#inode(dir).dev, inoOfListed(child));
        return { handle, mode: type << MODE_TYPE_SHIFT };
      }
      child = this.child(dir, name);
      if (child === undefined || child === WHITEOUT) return child;
    }
    return { handle: child, mode: this.mode(child) };
  }

  *children(dir: Handle): Generator<[ByteName, Handle | typeof WHITEOUT]> {
    for (const name of [...this.#names(dir).keys()]) {
      const child = this.peek(dir, name);
      yield [name, child === undefined || child === WHITEOUT ? WHITEOUT : child.handle];
    }
  }

  size(dir: Handle): number {
    return this.#names(dir).size;
  }

  *nameHashes(dir: Handle): Generator<number> {
    for (const name of this.#names(dir).keys()) yield hashName(name);
  }

  *childDirs(dir: Handle): Generator<[ByteName, Handle]> {
    for (const name of [...this.#names(dir).keys()]) {
      const child = this.peek(dir, name);
      if (child === undefined || child === WHITEOUT || !isDirMode(child.mode)) continue;
      yield [name, child.handle];
    }
  }

  subdirs(): undefined {
    return undefined;
  }

  nlink(handle: Handle): number {
    return this.#inode(handle).nlink;
  }

  /** Reads every directory of the layer, but asks only for files that may be meant. */
  pathsOf(handles: ReadonlySet<Handle>): readonly (readonly ByteName[])[] {
    const wanted = new Set<InodeKey>();
    for (const handle of handles) wanted.add(keyOf(this.#inode(handle)));
    return findByInode(this.#inode(0).path, wanted);
  }

  linked(dir: Handle, name: ByteName): Handle | undefined {
    const path = this.#pathOf(dir, name);
    const stat = withShortPath(path, (at) => fstatat(undefined, at));
    if (stat === undefined || stat.nlink < 2 || isDirMode(stat.mode)) return undefined;
    return this.#handles.of(stat.dev, stat.ino);
  }

  *linkedBelow(dir: Handle, except: ReadonlySet<Handle>): Generator<Handle> {
    const paths = [...except].map((each) => byteName(this.#inode(each).path));
    for (const { dev, ino } of findLinked(this.#inode(dir).path, new Set(paths))) {
      yield this.#handles.of(dev, ino);
    }
  }

  digest(): undefined {
    return undefined;
  }

  /** Path and metadata of a file as it is on the disk. */
  stored(handle: Handle): { readonly path: Buffer; readonly stat: Statx } {
    return { path: this.#inode(handle).path, stat: this.#statOf(handle) };
  }

  #statOf(handle: Handle): Statx {
    const { path, stat } = this.#inode(handle);
    const found =
      stat ?? withShortPath(path, (at) => fstatat(undefined, at, { follow: handle === 0 }));
    if (found === undefined) throw new FsError('ESTALE', 'statx', displayName(byteName(path)));
    return found;
  }

  /** Whether the bytes of a file are in another layer. */
  isMetacopy(handle: Handle): boolean {
    const { path, mode } = this.#inode(handle);
    return this.#below.length > 0 && typeOf(mode) === S_IFREG && readMarks(path).isMetacopy;
  }

  /** Owner, mode and attributes of a file as they are on the disk. */
  raw(handle: Handle): Node {
    const node = new Node(0, this.mode(handle));
    this.#loadMetadata(handle, node);
    return node;
  }

  #loadMetadata(handle: Handle, node: Node): void {
    const stat = this.#statOf(handle);
    node.mode = stat.mode;
    node.uid = stat.uid;
    node.gid = stat.gid;
    node.rdev = encodeDev(stat.rdevMajor, stat.rdevMinor);
    node.atimeSec = stat.atimeSec;
    node.atimeNsec = stat.atimeNsec;
    node.mtimeSec = stat.mtimeSec;
    node.mtimeNsec = stat.mtimeNsec;
    node.ctimeSec = stat.ctimeSec;
    node.ctimeNsec = stat.ctimeNsec;
    node.xattrs = readXattrs(this.#inode(handle).path);
  }

  load(handle: Handle, node: Node): void {
    const inode = this.#inode(handle);
    const { path } = inode;
    const stat = (inode.stat ??= this.#statOf(handle));
    this.#loadMetadata(handle, node);
    const type = typeOf(stat.mode);
    if (type === S_IFREG) {
      node.size = stat.size;
      if (stat.size > 0) {
        node.content = this.#contentOf(handle);
        if (node.content?.kind === 'plain') node.allocated = stat.blocks;
      }
    } else if (type === S_IFLNK) {
      node.target = byteName(withShortPath(path, (at) => readlinkat(undefined, at)));
      node.size = node.target.length;
    }
    this.#view?.load(node);
    // The node has it now.
    inode.stat = undefined;
  }

  #contentOf(handle: Handle): Node['content'] {
    const { path } = this.#inode(handle);
    // Without lower layers there is nowhere else for the bytes to be.
    const { isMetacopy, redirect } =
      this.#below.length === 0 ? { isMetacopy: false, redirect: undefined } : readMarks(path);
    if (!isMetacopy) return { kind: 'plain', path, rootBytes: this.#rootBytes };
    const inLayer = byteName(path.subarray(this.#rootBytes));
    return findMetacopyContent({ layer: this, below: this.#below, path: inLayer, redirect });
  }
}

function hasOpaqueMarker(dir: Buffer): boolean {
  const path = Buffer.concat([dir, Buffer.from(`/${OPAQUE_MARKER}`)]);
  return withShortPath(path, (at) => fstatat(undefined, at)) !== undefined;
}
