import { O_DIRECTORY, O_NOFOLLOW, O_PATH, O_RDONLY, RESOLVE_BENEATH } from '../../sys/constants.js';
import { RESOLVE_NO_SYMLINKS } from '../../sys/constants.js';
import { FsError } from '../../sys/errno.js';
import { FdCache } from '../../sys/fd-cache.js';
import type { Fd } from '../../sys/fd.js';
import { dup, openat, openat2 } from '../../sys/file.js';
import { fstat, type Statx } from '../../sys/stat.js';
import { hasCode } from '../../util/errors.js';
import { nameBytes, type ByteName } from '../../util/byte-name.js';
import { FUSE_ROOT_ID } from '../protocol/abi.js';
import type { NodeId } from '../filesystem.js';

/** Inodes that stay open, and contents: small enough for `ulimit -n 256`. */
const FDS_MAX = 64;

/** A name of an inode. */
interface Place {
  readonly parent: HostNode;
  readonly name: ByteName;
}

/** An inode of the host directory that the kernel knows. */
export interface HostNode {
  readonly id: NodeId;
  /** Device and inode number: the identity. */
  readonly key: string;
  /** Names that it was looked up by, and that are not known to have gone. */
  places: Place[];
  nlookup: number;
  /** Keeps an inode without a name. */
  pinned: Fd | undefined;
}

/**
 * The inodes of a host directory by number, opened by path below it when they are used: at most
 * {@link FDS_MAX} stay open, and those that have lost their names.
 */
export class HostNodes implements Disposable {
  readonly root: HostNode;
  readonly rootFd: Fd;
  readonly #byId = new Map<NodeId, HostNode>();
  readonly #byKey = new Map<string, HostNode>();
  readonly #handles = new FdCache(FDS_MAX);
  readonly #contents = new FdCache(FDS_MAX);
  #lastId = FUSE_ROOT_ID;

  constructor(directory: string) {
    this.rootFd = openat(undefined, directory, O_RDONLY | O_DIRECTORY);
    const key = keyOf(fstat(this.rootFd));
    this.root = { id: FUSE_ROOT_ID, key, places: [], nlookup: 1, pinned: this.rootFd };
    this.#byId.set(FUSE_ROOT_ID, this.root);
    this.#byKey.set(key, this.root);
  }

  get(nodeid: NodeId): HostNode {
    const node = this.#byId.get(nodeid);
    if (node === undefined) throw new FsError('ESTALE', 'lookup');
    return node;
  }

  /** The node of an inode that was found under a name (or, without, that has none); one lookup. */
  found(stat: Statx, place: Place | undefined): HostNode {
    const key = keyOf(stat);
    let node = this.#byKey.get(key);
    if (node === undefined) {
      node = { id: ++this.#lastId, key, places: [], nlookup: 0, pinned: undefined };
      this.#byId.set(node.id, node);
      this.#byKey.set(key, node);
    }
    if (place !== undefined) this.named(node, place);
    node.nlookup += 1;
    return node;
  }

  /** The node of an inode, if the kernel knows it. */
  known(stat: Statx): HostNode | undefined {
    return this.#byKey.get(keyOf(stat));
  }

  named(node: HostNode, place: Place): void {
    if (node === this.root || node.places.some((each) => isSame(each, place))) return;
    node.places = [place, ...node.places];
    this.#release(node);
  }

  /** Takes a name away by `work`; the inode can be opened afterwards all the same. */
  removing(node: HostNode | undefined, work: () => void): void {
    const isLast = node !== undefined && node !== this.root && node.places.length < 2;
    if (isLast) node.pinned ??= this.#open(node);
    try {
      work();
    } catch (error) {
      if (isLast) this.#release(node);
      throw error;
    }
  }

  /** A name has gone; an inode that has no other known one stays held. */
  unnamed(node: HostNode, place: Place): void {
    node.places = node.places.filter((each) => !isSame(each, place));
  }

  /** A name has become another one. */
  moved(node: HostNode, before: Place, after: Place): void {
    node.places = [after, ...node.places.filter((each) => !isSame(each, before))];
    this.#release(node);
  }

  /** What has a name again need not be held. */
  #release(node: HostNode): void {
    if (node === this.root || node.places.length === 0) return;
    node.pinned?.close();
    node.pinned = undefined;
  }

  forget(nodeid: NodeId, nlookup: number): void {
    const node = this.#byId.get(nodeid);
    if (node === undefined || node === this.root) return;
    node.nlookup -= nlookup;
    if (node.nlookup > 0) return;
    this.#byId.delete(nodeid);
    this.#byKey.delete(node.key);
    this.#handles.drop(node.key);
    this.dropContents(node);
    node.pinned?.close();
  }

  /** A descriptor of the inode, for everything but its content. Borrowed: use it at once. */
  handle(node: HostNode): Fd {
    return node.pinned ?? this.#handles.get(node.key, () => this.#open(node));
  }

  /** A descriptor of the content. Borrowed: use it at once. */
  content(node: HostNode, flags: number): Fd {
    return this.#contents.get(`${flags} ${node.key}`, () => this.reopen(node, flags));
  }

  dropContents(node: HostNode): void {
    for (const flags of [0, 1, 2]) this.#contents.drop(`${flags} ${node.key}`);
  }

  /** Opens the inode itself, whatever its names are now. The caller closes the result. */
  reopen(node: HostNode, flags: number): Fd {
    return openat(undefined, magicPath(this.handle(node)), flags);
  }

  /** A descriptor of its own of the inode. The caller closes the result. */
  reopenPath(node: HostNode): Fd {
    return dup(this.handle(node));
  }

  /** By one of its names, none of which may lead out of the directory or to another inode. */
  #open(node: HostNode): Fd {
    for (const place of node.places) {
      const fd = this.#tryOpen(place);
      if (fd === undefined) continue;
      if (keyOf(fstat(fd)) === node.key) return fd;
      fd.close();
    }
    throw new FsError('ESTALE', 'open');
  }

  #tryOpen({ parent, name }: Place): Fd | undefined {
    try {
      const how = { flags: O_PATH | O_NOFOLLOW, resolve: RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS };
      // The directory's descriptor may be closed by what the cache opens next: not before.
      return openat2(this.handle(parent), nameBytes(name), how);
    } catch (error) {
      // ELOOP: RESOLVE_NO_SYMLINKS refuses a link even if it is not to be followed.
      if (hasCode(error, 'ELOOP')) {
        return openat(this.handle(parent), nameBytes(name), O_PATH | O_NOFOLLOW);
      }
      if (hasCode(error, 'ENOENT', 'ENOTDIR', 'ESTALE')) return undefined;
      throw error;
    }
  }

  [Symbol.dispose](): void {
    for (const { pinned } of this.#byId.values()) pinned?.[Symbol.dispose]();
    this.#handles[Symbol.dispose]();
    this.#contents[Symbol.dispose]();
    this.#byId.clear();
    this.#byKey.clear();
  }
}

/** What leads to an open inode itself. */
export function magicPath(fd: Fd): string {
  return `/proc/self/fd/${fd.raw}`;
}

function keyOf({ dev, ino }: Statx): string {
  return `${dev}:${ino}`;
}

function isSame(a: Place, b: Place): boolean {
  return a.parent === b.parent && a.name === b.name;
}
