import { O_DIRECTORY, O_NOFOLLOW, O_RDONLY, S_IFCHR, S_IFLNK, S_IFREG } from '../sys/constants.js';
import { encodeDev } from '../sys/device-number.js';
import { readDir, readlinkat } from '../sys/directory.js';
import { openat } from '../sys/file.js';
import { fstatat, type Statx } from '../sys/stat.js';
import { getxattr, listxattr } from '../sys/xattr.js';
import { WHITEOUT } from '../layer/types.js';
import { byteName, byteNameOf, nameBytes, type ByteName } from '../util/byte-name.js';
import { UserError, hasCode } from '../util/errors.js';
import type { Handle, LowerLayer } from './lower.js';
import { isDirMode, typeOf, type Node } from './node.js';

const WHITEOUT_PREFIX = '.wh.';
const OPAQUE_MARKER = byteNameOf('.wh..wh..opq');
const OPAQUE_XATTRS = ['trusted.overlay.opaque', 'user.overlay.opaque'];
const OVERLAY_XATTR = /^(trusted|user)\.overlay\./;

/** What is known of one inode. */
interface PlainInode {
  readonly path: Buffer;
  readonly stat: Statx;
  /** Of a directory that was read: its names; WHITEOUT, a handle, or not asked for yet. */
  names: Map<ByteName, Handle | typeof WHITEOUT | undefined> | undefined;
  opaque: boolean;
}

/**
 * A directory without an index, taken as a layer as it is: kernel overlayfs's whiteouts (0/0
 * devices, opaque xattrs) and those of archives (`.wh.NAME`) are understood. It must not change.
 */
export class PlainLower implements LowerLayer {
  readonly position: number;
  readonly #inodes: PlainInode[] = [];
  /** Handles of files with several names, by device and inode number. */
  readonly #links = new Map<string, Handle>();

  constructor(position: number, dir: string) {
    this.position = position;
    const path = Buffer.from(dir);
    const stat = fstatat(undefined, path, { follow: true });
    if (stat === undefined || !isDirMode(stat.mode)) {
      throw new UserError('TSB_BUILD', `Cannot use '${dir}' as a layer: it is not a directory`);
    }
    this.#inodes.push({ path, stat, names: undefined, opaque: false });
  }

  #inode(handle: Handle): PlainInode {
    const inode = this.#inodes[handle];
    if (inode === undefined) throw new RangeError(`Cannot find inode ${handle}`);
    return inode;
  }

  #names(dir: Handle): Map<ByteName, Handle | typeof WHITEOUT | undefined> {
    const inode = this.#inode(dir);
    if (inode.names !== undefined) return inode.names;
    const names = new Map<ByteName, Handle | typeof WHITEOUT | undefined>();
    using fd = openat(undefined, inode.path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    for (const { name } of readDir(fd)) {
      if (name === OPAQUE_MARKER) inode.opaque = true;
      else if (!name.startsWith(WHITEOUT_PREFIX)) names.set(name, undefined);
      else names.set(name.slice(WHITEOUT_PREFIX.length) as ByteName, WHITEOUT);
    }
    inode.opaque ||= OPAQUE_XATTRS.some((xattr) => findXattr(inode.path, xattr) === 'y');
    inode.names = names;
    return names;
  }

  #stat(dir: Handle, name: ByteName): Handle | typeof WHITEOUT {
    const path = Buffer.concat([this.#inode(dir).path, Buffer.from('/'), nameBytes(name)]);
    const stat = fstatat(undefined, path);
    if (stat === undefined) return WHITEOUT;
    if (typeOf(stat.mode) === S_IFCHR && stat.rdevMajor === 0 && stat.rdevMinor === 0) {
      return WHITEOUT;
    }
    const key = stat.nlink > 1 && !isDirMode(stat.mode) ? `${stat.dev} ${stat.ino}` : undefined;
    const known = key === undefined ? undefined : this.#links.get(key);
    if (known !== undefined) return known;
    const handle = this.#inodes.length;
    this.#inodes.push({ path, stat, names: undefined, opaque: false });
    if (key !== undefined) this.#links.set(key, handle);
    return handle;
  }

  mode(handle: Handle): number {
    return this.#inode(handle).stat.mode;
  }

  opaque(dir: Handle): boolean {
    this.#names(dir);
    return this.#inode(dir).opaque;
  }

  implied(): boolean {
    return false;
  }

  child(dir: Handle, name: ByteName): Handle | typeof WHITEOUT | undefined {
    const names = this.#names(dir);
    if (!names.has(name)) return undefined;
    let child = names.get(name);
    if (child === undefined) {
      child = this.#stat(dir, name);
      names.set(name, child);
    }
    return child;
  }

  *children(dir: Handle): Generator<[ByteName, Handle | typeof WHITEOUT]> {
    for (const name of [...this.#names(dir).keys()]) {
      yield [name, this.child(dir, name) ?? WHITEOUT];
    }
  }

  subdirs(): undefined {
    return undefined;
  }

  nlink(handle: Handle): number {
    return this.#inode(handle).stat.nlink;
  }

  pathsOf(): undefined {
    return undefined;
  }

  digest(): undefined {
    return undefined;
  }

  load(handle: Handle, node: Node): void {
    const { path, stat } = this.#inode(handle);
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
    node.xattrs = readXattrs(path);
    const type = typeOf(stat.mode);
    if (type === S_IFREG) {
      node.size = stat.size;
      node.content = stat.size === 0 ? undefined : { kind: 'plain', path };
    } else if (type === S_IFLNK) {
      node.target = byteName(readlinkat(undefined, path));
      node.size = node.target.length;
    }
  }
}

function findXattr(path: Buffer, name: string): string | undefined {
  try {
    return getxattr(path, name)?.toString('latin1');
  } catch (error) {
    if (hasCode(error, 'EOPNOTSUPP', 'ENOTSUP', 'EPERM')) return undefined;
    throw error;
  }
}

function readXattrs(path: Buffer): Map<ByteName, Buffer> | undefined {
  const xattrs = new Map<ByteName, Buffer>();
  try {
    for (const name of listxattr(path)) {
      if (OVERLAY_XATTR.test(name)) continue;
      const value = getxattr(path, name);
      if (value !== undefined) xattrs.set(name, value);
    }
  } catch (error) {
    if (!hasCode(error, 'EOPNOTSUPP', 'ENOTSUP')) throw error;
  }
  return xattrs.size === 0 ? undefined : xattrs;
}
