import type { DirSink, Entry, FileSystem, MakeNode, NodeId } from '../fuse/filesystem.js';
import { bindOperations } from '../fuse/filesystems/intercept.js';
import { RENAME_EXCHANGE, S_IFLNK } from '../sys/constants.js';
import type { ByteName } from '../util/byte-name.js';
import { ACCESS, AccessEntry, type Access, type AccessRecord } from './access-record.js';
import { ROOT_NUMBER } from './node-table.js';
import { typeOf, type Node } from './node.js';
import type { OverlayFileSystem } from './overlay-filesystem.js';
import type { Tree } from './tree.js';

const NOWHERE: readonly AccessEntry[] = [];
const ROOT_NAME = '' as ByteName;
/** What the kernel keeps of an inode, whatever name it was asked for under. */
const CACHED: Access = ACCESS.read | ACCESS.readlink | ACCESS.xattr;

/**
 * Records how the lower layers are used through a mount. It sees what the kernel asks, so what
 * the server reads for itself does not count, and what a step made itself is not recorded.
 *
 * Where the kernel's caches would hide a first use: the attributes come with a name that is looked
 * up, so that is their `stat`, whether anybody wants them or not; they do not come with a listing,
 * whose names and types are the directory's `list`; an empty file is never read, but its size came
 * with its name. What the caches hide later is no new use.
 *
 * INVARIANT: an inode keeps its number, also when it is dropped and loaded again. So entries are
 * found by number: the places where an inode was when the image was new, as far as they were
 * looked up. A node that has been moved, and what is below it, keeps its old place.
 */
export class AccessRecorder {
  readonly #tree: Tree;
  readonly #root = new AccessEntry();
  readonly #places = new Map<NodeId, readonly AccessEntry[]>();
  /** Inodes whose further names have been marked. */
  readonly #groups = new Set<NodeId>();

  constructor(tree: Tree) {
    this.#tree = tree;
    this.#places.set(ROOT_NUMBER, [this.#root]);
  }

  /** What was used so far. */
  record(): AccessRecord {
    return { version: 1, root: this.#root.encode(ROOT_NAME) ?? [ROOT_NAME, 0] };
  }

  /** The tree's file system, recording. */
  watch(fileSystem: OverlayFileSystem): FileSystem {
    const inner = bindOperations(fileSystem) as Required<FileSystem>;
    return { ...inner, ...this.#reading(inner), ...this.#writing(inner), ...this.#naming(inner) };
  }

  #reading(inner: Required<FileSystem>): Partial<FileSystem> & Pick<FileSystem, 'lookup'> {
    return {
      lookup: (parent, name, caller) => {
        const entry = inner.lookup(parent, name, caller) as Entry | undefined;
        const place = this.#use(parent, name);
        if (entry === undefined) return undefined;
        if (place !== undefined) this.#at(entry.nodeid, place);
        this.#mark(entry.nodeid, ACCESS.stat);
        return entry;
      },
      getattr: (nodeid, caller) => {
        this.#mark(nodeid, ACCESS.stat);
        return inner.getattr(nodeid, caller);
      },
      readlink: (nodeid, caller) => {
        this.#mark(nodeid, ACCESS.readlink);
        return inner.readlink(nodeid, caller);
      },
      read: (range, into, caller) => {
        if (this.#hasLowerContent(range.nodeid)) this.#mark(range.nodeid, ACCESS.read);
        return inner.read(range, into, caller);
      },
      // Where the holes are is content.
      ...('lseek' in inner && {
        lseek: (nodeid, fh, offset, whence) => {
          if (this.#hasLowerContent(nodeid)) this.#mark(nodeid, ACCESS.read);
          return inner.lseek(nodeid, fh, offset, whence);
        },
      }),
      readdir: (nodeid, fh, offset, sink) => {
        this.#mark(nodeid, ACCESS.list);
        // The attributes are for those who look the names up.
        const add: DirSink['add'] = (dirent) => sink.add(dirent);
        return inner.readdir(nodeid, fh, offset, { plus: false, add });
      },
      getxattr: (nodeid, name, caller) => {
        this.#mark(nodeid, ACCESS.xattr);
        return inner.getxattr(nodeid, name, caller);
      },
      listxattr: (nodeid, caller) => {
        this.#mark(nodeid, ACCESS.xattr);
        return inner.listxattr(nodeid, caller);
      },
    };
  }

  /** Changes of an inode: the new layer takes over what they leave. */
  #writing(inner: Required<FileSystem>): Partial<FileSystem> {
    return {
      setattr: (nodeid, change, caller) => {
        this.#change(nodeid, change.size === 0);
        return inner.setattr(nodeid, change, caller);
      },
      write: (write, caller) => {
        this.#change(write.nodeid);
        return inner.write(write, caller);
      },
      fallocate: (range, caller) => {
        this.#change(range.nodeid);
        return inner.fallocate(range, caller);
      },
      copyFileRange: (range, caller) => {
        if (this.#hasLowerContent(range.nodeidIn)) this.#mark(range.nodeidIn, ACCESS.read);
        this.#change(range.nodeidOut);
        return inner.copyFileRange(range, caller);
      },
      setxattr: (change, caller) => {
        this.#change(change.nodeid);
        return inner.setxattr(change, caller);
      },
      removexattr: (nodeid, name, caller) => {
        this.#change(nodeid);
        return inner.removexattr(nodeid, name, caller);
      },
    };
  }

  /** Changes of names. */
  #naming(inner: Required<FileSystem>): Partial<FileSystem> {
    const make =
      <Rest extends unknown[], R>(handler: (made: MakeNode, ...rest: Rest) => R) =>
      (made: MakeNode, ...rest: Rest): R => {
        this.#enter(made.parent, made.name);
        return handler(made, ...rest);
      };
    return {
      mknod: make(inner.mknod),
      mkdir: make(inner.mkdir),
      create: make(inner.create),
      symlink: (parent, name, target, caller) => {
        this.#enter(parent, name);
        return inner.symlink(parent, name, target, caller);
      },
      tmpfile: (made, flags, caller) => {
        this.#mark(made.parent, ACCESS.xattr);
        return inner.tmpfile(made, flags, caller);
      },
      link: (nodeid, parent, name, caller) => {
        this.#change(nodeid);
        this.#enter(parent, name);
        return inner.link(nodeid, parent, name, caller);
      },
      unlink: (parent, name, caller) => {
        this.#leave(parent, name, ACCESS.remove);
        return inner.unlink(parent, name, caller);
      },
      rmdir: (parent, name, caller) => {
        this.#leave(parent, name, ACCESS.remove | ACCESS.list);
        return inner.rmdir(parent, name, caller);
      },
      rename: (rename, caller) => {
        const { parent, name, newParent, newName } = rename;
        this.#leave(parent, name, ACCESS.move);
        const replaced = this.#child(newParent, newName);
        if (replaced === undefined) this.#enter(newParent, newName);
        else this.#leave(newParent, newName, this.#replacing(rename.flags, replaced));
        return inner.rename(rename, caller);
      },
    };
  }

  /** What a rename is to the inode that is at its destination. */
  #replacing(flags: number, replaced: Node): Access {
    if ((flags & RENAME_EXCHANGE) !== 0) return ACCESS.move;
    return ACCESS.remove | (replaced.isDir ? ACCESS.list : 0);
  }

  /** A name is made in a directory, or would be. */
  #enter(parent: NodeId, name: ByteName): void {
    this.#use(parent, name);
    // A new node may get the directory's group and its default ACL.
    this.#mark(parent, ACCESS.write | ACCESS.xattr);
  }

  /** A name is taken out of a directory; `how` is what happens to it. */
  #leave(parent: NodeId, name: ByteName, how: Access): void {
    const place = this.#use(parent, name);
    if (place !== undefined) place.access |= how;
    this.#mark(parent, ACCESS.write | ACCESS.xattr);
    const node = this.#child(parent, name);
    if (node === undefined) return;
    // Its names may have been found in a listing only.
    if (place !== undefined) this.#at(node.ino, place);
    if ((how & ACCESS.list) !== 0) this.#mark(node.ino, ACCESS.list);
    if ((how & ACCESS.move) !== 0) this.#change(node.ino);
  }

  /** Something of an inode changes: what else it has goes to the new layer with it. */
  #change(nodeid: NodeId, isEmptied = false): void {
    if (!this.#places.has(nodeid)) return;
    const node = this.#tree.node(nodeid);
    let access: Access = ACCESS.write | ACCESS.stat | ACCESS.xattr;
    if (!isEmptied && this.#hasLowerContent(nodeid)) access |= ACCESS.read;
    if (typeOf(node.mode) === S_IFLNK) access |= ACCESS.readlink;
    this.#mark(nodeid, access);
    this.#markGroup(node, access);
  }

  /** A layer has all names of a changed file: those count that nobody looked up, too. */
  #markGroup(node: Node, access: Access): void {
    if (node.isDir || node.origin === undefined || this.#groups.has(node.ino)) return;
    const { layer, handle } = node.origin;
    if (layer.nlink(handle) < 2) return;
    this.#groups.add(node.ino);
    for (const path of layer.pathsOf(new Set([handle])) ?? []) {
      let entry = this.#root;
      for (const name of path) entry = entry.child(name);
      entry.access |= access;
    }
  }

  #hasLowerContent(nodeid: NodeId): boolean {
    if (!this.#places.has(nodeid)) return false;
    const { content } = this.#tree.node(nodeid);
    return content?.kind === 'ref' || content?.kind === 'plain';
  }

  #child(parent: NodeId, name: ByteName): Node | undefined {
    return this.#tree.lookup(this.#tree.directory(parent), name);
  }

  /** A name was looked for; returns its place if it is there from the lower layers. */
  #use(parent: NodeId, name: ByteName): AccessEntry | undefined {
    const places = this.#places.get(parent) ?? NOWHERE;
    const [place] = places;
    if (place === undefined || name === '.' || name === '..') return undefined;
    const { dir } = this.#tree.directory(parent);
    if (dir.findShown(name).length > 0) {
      const entry = place.child(name);
      entry.access |= ACCESS.lookup;
      return entry;
    }
    // A name that the step made or removed says nothing of the lower layers.
    if (dir.children.has(name) || dir.hidden?.has(name)) return undefined;
    place.child(name).access |= ACCESS.absent;
    return undefined;
  }

  #mark(nodeid: NodeId, access: Access): void {
    for (const place of this.#places.get(nodeid) ?? NOWHERE) place.access |= access;
  }

  /** An inode is at a place. */
  #at(nodeid: NodeId, place: AccessEntry): void {
    const places = this.#places.get(nodeid) ?? NOWHERE;
    if (places.includes(place)) return;
    for (const { access } of places) place.access |= access & CACHED;
    this.#places.set(nodeid, [...places, place]);
  }
}
