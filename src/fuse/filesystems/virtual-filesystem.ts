import { NAME_MAX, S_IFDIR, S_IFLNK, S_IFREG } from '../../sys/constants.js';
import { FsError } from '../../sys/errno.js';
import { byteNameOf, displayName, type ByteName } from '../../util/byte-name.js';
import { FUSE_ROOT_ID } from '../protocol/abi.js';
import { attributes, listNames } from '../attributes.js';
import type {
  Attr,
  Awaitable,
  DirSink,
  Entry,
  FileSystem,
  NodeId,
  Opened,
  ReadRange,
  StatFs,
} from '../filesystem.js';

/** What may be said of any node. */
export interface VirtualMeta {
  /** Permission bits. Default: 0o444 for files, 0o555 for directories. */
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  /** Default: 1970. */
  readonly mtime?: Date;
}

/** A directory: the names in it, and what a name is (undefined: nothing). */
export interface VirtualDirectory extends VirtualMeta {
  readonly kind: 'dir';
  list(): Awaitable<Iterable<string>>;
  find(name: string): Awaitable<VirtualNode | undefined>;
}

/** A file: its size, and how to get a piece of it (shorter than asked for means its end). */
export interface VirtualFile extends VirtualMeta {
  readonly kind: 'file';
  readonly size: number;
  read(offset: number, length: number): Awaitable<Uint8Array>;
}

/** A symbolic link. */
export interface VirtualLink extends VirtualMeta {
  readonly kind: 'link';
  readonly target: string;
}

/** Anything that a directory may have. */
export type VirtualNode = VirtualDirectory | VirtualFile | VirtualLink;

/** A directory of fixed entries. */
export function directory(
  entries: Readonly<Record<string, VirtualNode>>,
  meta: VirtualMeta = {},
): VirtualDirectory {
  const found = new Map(Object.entries(entries));
  return { ...meta, kind: 'dir', list: () => found.keys(), find: (name) => found.get(name) };
}

/** A file of fixed content; text is UTF-8. */
export function file(content: string | Uint8Array, meta: VirtualMeta = {}): VirtualFile {
  const bytes = Buffer.from(content);
  const read = (offset: number, length: number): Buffer => bytes.subarray(offset, offset + length);
  return { ...meta, kind: 'file', size: bytes.length, read };
}

interface Known {
  readonly id: NodeId;
  node: VirtualNode;
  readonly parent: NodeId;
  readonly name: ByteName;
  nlookup: number;
}

/** As statfs(2) shows file systems without room, such as /proc. */
const NO_ROOM: StatFs = {
  ...{ blocks: 0, bfree: 0, bavail: 0, files: 0, ffree: 0 },
  ...{ bsize: 4096, namelen: NAME_MAX },
};
const PERMISSIONS = { dir: S_IFDIR | 0o555, file: S_IFREG | 0o444, link: S_IFLNK | 0o777 } as const;

/**
 * A read-only file system out of nodes that say what is in them: nothing else is needed for a
 * view of some data. Names are UTF-8. By default the kernel keeps names, attributes and contents
 * for ever. What changes by itself wants `isChanging`, so that contents are read again at each
 * open, and the mount options `entryTimeoutSec`, `attrTimeoutSec` and `negativeTimeoutSec`, after
 * which `find` is asked again.
 */
export class VirtualFileSystem implements FileSystem {
  readonly #known = new Map<NodeId, Known>();
  readonly #byName = new Map<string, Known>();
  #lastId = FUSE_ROOT_ID;
  readonly open?: () => Opened;

  constructor(root: VirtualDirectory, { isChanging = false }: { isChanging?: boolean } = {}) {
    // Without FOPEN_KEEP_CACHE the kernel drops what it has of the file.
    if (isChanging) this.open = () => ({ fh: 0, openFlags: 0 });
    const name = '' as ByteName;
    this.#known.set(FUSE_ROOT_ID, { id: FUSE_ROOT_ID, node: root, parent: 0, name, nlookup: 1 });
  }

  async lookup(parent: NodeId, name: ByteName): Promise<Entry | undefined> {
    if (name.length > NAME_MAX) throw new FsError('ENAMETOOLONG', 'lookup');
    const node = await this.#directory(parent).find(displayName(name));
    if (node !== undefined) return this.#entry(this.#know(parent, name, node));
    this.#byName.delete(key(parent, name));
    return undefined;
  }

  forget(nodeid: NodeId, nlookup: number): void {
    const known = this.#known.get(nodeid);
    if (known === undefined || nodeid === FUSE_ROOT_ID) return;
    known.nlookup -= nlookup;
    if (known.nlookup > 0) return;
    this.#known.delete(nodeid);
    const place = key(known.parent, known.name);
    if (this.#byName.get(place) === known) this.#byName.delete(place);
  }

  getattr(nodeid: NodeId): Attr {
    return attributesOf(this.#node(nodeid));
  }

  readlink(nodeid: NodeId): Buffer {
    const { node } = this.#node(nodeid);
    if (node.kind !== 'link') throw new FsError('EINVAL', 'readlink');
    return Buffer.from(node.target);
  }

  async read({ nodeid, offset }: ReadRange, into: Buffer): Promise<number> {
    const { node } = this.#node(nodeid);
    if (node.kind !== 'file') throw new FsError('EISDIR', 'read');
    const length = Math.min(into.length, node.size - offset);
    let done = 0;
    while (done < length) {
      const piece = await node.read(offset + done, length - done);
      if (piece.length === 0) break;
      into.set(piece.subarray(0, length - done), done);
      done += Math.min(piece.length, length - done);
    }
    return done;
  }

  async readdir(nodeid: NodeId, _fh: number, offset: number, sink: DirSink): Promise<void> {
    const dir = this.#directory(nodeid);
    const names = [...(await dir.list())];
    const found = await Promise.all(
      names.map(async (name) => ({ name, node: await dir.find(name) })),
    );
    const listed = found.flatMap(({ name, node }) => {
      if (node === undefined) return [];
      const known = this.#know(nodeid, byteNameOf(name), node);
      const lookup = (): Entry => this.#entry(known);
      return [{ name, ino: known.id, mode: PERMISSIONS[node.kind], lookup }];
    });
    listNames(sink, offset, listed);
  }

  statfs(): StatFs {
    return NO_ROOM;
  }

  #node(nodeid: NodeId): Known {
    const known = this.#known.get(nodeid);
    if (known === undefined) throw new FsError('ESTALE', 'lookup');
    return known;
  }

  #directory(nodeid: NodeId): VirtualDirectory {
    const { node } = this.#node(nodeid);
    if (node.kind !== 'dir') throw new FsError('ENOTDIR', 'lookup');
    return node;
  }

  /** A name keeps its number as long as what it stands for is of the same kind. */
  #know(parent: NodeId, name: ByteName, node: VirtualNode): Known {
    const present = this.#byName.get(key(parent, name));
    if (present?.node.kind === node.kind) {
      present.node = node;
      return present;
    }
    const known = { id: ++this.#lastId, node, parent, name, nlookup: 0 };
    this.#known.set(known.id, known);
    this.#byName.set(key(parent, name), known);
    return known;
  }

  #entry(known: Known): Entry {
    known.nlookup += 1;
    return { nodeid: known.id, attr: attributesOf(known) };
  }
}

function key(parent: NodeId, name: ByteName): string {
  return `${parent}/${name}`;
}

function attributesOf({ id, node }: Known): Attr {
  const { kind, mode, uid, gid, mtime } = node;
  const type = PERMISSIONS[kind];
  const mtimeMs = mtime?.getTime() ?? 0;
  const mtimeSec = Math.floor(mtimeMs / 1000);
  const mtimeNsec = Math.trunc((mtimeMs - mtimeSec * 1000) * 1e6);
  return attributes({
    ino: id,
    mode: mode === undefined ? type : (type & ~0o7777) | (mode & 0o7777),
    ...(uid !== undefined && { uid }),
    ...(gid !== undefined && { gid }),
    ...(kind === 'file' && { size: node.size }),
    ...(kind === 'link' && { size: Buffer.byteLength(node.target) }),
    ...{ atimeSec: mtimeSec, mtimeSec, ctimeSec: mtimeSec },
    ...{ atimeNsec: mtimeNsec, mtimeNsec, ctimeNsec: mtimeNsec },
  });
}
