import type { ImageTree, TreeNode } from '../overlay/image-tree.js';
import {
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOFOLLOW,
  O_PATH,
  O_RDONLY,
  O_WRONLY,
  RESOLVE_BENEATH,
  RESOLVE_NO_SYMLINKS,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
} from '../sys/constants.js';
import { decodeDev } from '../sys/device-number.js';
import {
  fchmod,
  fchmodat,
  fchownat,
  linkat,
  mkdirat,
  mknodat,
  symlinkat,
  utimensat,
} from '../sys/directory.js';
import type { Fd } from '../sys/fd.js';
import { openat, openat2, write } from '../sys/file.js';
import { setxattr } from '../sys/xattr.js';
import { displayName, nameBytes, type ByteName } from '../util/byte-name.js';
import { hasCode, messageOf } from '../util/errors.js';
import { MetadataLosses } from './metadata-losses.js';

/** How files are made. */
export interface LocalOptions {
  /**
   * Whether owners, devices and all xattrs are to be what the image says (root). Otherwise files
   * belong to the caller, and what an ordinary user cannot make is reported.
   */
  readonly privileged: boolean;
  readonly signal?: AbortSignal;
  /** Told of every entry made, in all. */
  readonly onProgress?: (entries: number) => void;
}

/** Contents up to this size are read at once. */
const SMALL_BYTES = 1024 * 1024;
/** Entries between two looks at the event loop. */
const YIELD_ENTRIES = 256;

/** A directory of the destination that is being filled. */
interface OpenDir {
  readonly fd: Fd;
  /** From the destination's root; '' is the root. */
  readonly path: string;
}

/**
 * Makes an image's files in a fresh directory. INVARIANT: every name is a single component,
 * made exclusively, relative to a descriptor of a directory that this writer has made.
 */
class LocalWriter {
  readonly #tree: ImageTree;
  readonly #root: Fd;
  readonly #options: LocalOptions;
  readonly #losses = new MetadataLosses();
  /** The first path of every inode with several names. */
  readonly #linked = new Map<TreeNode, OpenDir['path']>();
  #entries = 0;

  constructor(tree: ImageTree, root: Fd, options: LocalOptions) {
    this.#tree = tree;
    this.#root = root;
    this.#options = options;
  }

  async run(): Promise<string[]> {
    await this.#fill(this.#tree.root, { fd: this.#root, path: '' });
    this.#setMeta(this.#tree.root, this.#root, '/');
    return this.#losses.report();
  }

  async #fill(node: TreeNode, dir: OpenDir): Promise<void> {
    for (const [name, child] of this.#tree.children(node)) {
      await this.#count();
      const path = dir.path === '' ? name : `${dir.path}/${name}`;
      if (child.isDir) {
        mkdirat(dir.fd, nameBytes(name), 0o700);
        using fd = openat(dir.fd, nameBytes(name), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
        await this.#fill(child, { fd, path });
        this.#setMeta(child, fd, path);
      } else {
        await this.#makeLeaf(child, dir.fd, { name, path });
      }
    }
  }

  async #count(): Promise<void> {
    this.#entries++;
    if (this.#entries % YIELD_ENTRIES !== 0) return;
    this.#options.onProgress?.(this.#entries);
    await new Promise((resolve) => setImmediate(resolve));
    this.#options.signal?.throwIfAborted();
  }

  async #makeLeaf(
    node: TreeNode,
    dir: Fd,
    { name, path }: { name: ByteName; path: string },
  ): Promise<void> {
    const first = this.#linked.get(node);
    if (first !== undefined) {
      this.#link(first, dir, name);
      return;
    }
    const made = await this.#make(node, dir, { name, path });
    if (made && node.nlink > 1) this.#linked.set(node, path);
  }

  async #make(
    node: TreeNode,
    dir: Fd,
    { name, path }: { name: ByteName; path: string },
  ): Promise<boolean> {
    switch (node.mode & S_IFMT) {
      case S_IFREG:
        await this.#makeFile(node, dir, { name, path });
        return true;
      case S_IFLNK:
        symlinkat(nameBytes(this.#tree.readlink(node)), dir, nameBytes(name));
        if (this.#options.privileged) fchownat(dir, nameBytes(name), node.uid, node.gid);
        utimensat(dir, nameBytes(name), { mtime: mtimeOf(node) });
        return true;
      default:
        return this.#makeSpecial(node, dir, { name, path });
    }
  }

  async #makeFile(
    node: TreeNode,
    dir: Fd,
    { name, path }: { name: ByteName; path: string },
  ): Promise<void> {
    const flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
    using fd = openat(dir, nameBytes(name), flags, 0o600);
    if (node.size > 0 && node.size <= SMALL_BYTES) {
      write(fd, this.#tree.readAll(node, SMALL_BYTES));
    } else {
      for await (const chunk of this.#tree.read(node)) {
        this.#options.signal?.throwIfAborted();
        write(fd, chunk);
      }
    }
    this.#setMeta(node, fd, path);
  }

  #makeSpecial(node: TreeNode, dir: Fd, { name, path }: { name: ByteName; path: string }): boolean {
    const bytes = nameBytes(name);
    const { major, minor } = decodeDev(node.rdev);
    try {
      mknodat(dir, bytes, node.mode & (S_IFMT | 0o777), major, minor);
    } catch (error) {
      if (!hasCode(error, 'EPERM', 'EACCES')) throw error;
      this.#losses.add('cannot make special files', displayName(path as ByteName));
      return false;
    }
    if (this.#options.privileged) fchownat(dir, bytes, node.uid, node.gid);
    fchmodat(dir, bytes, node.mode & 0o7777);
    utimensat(dir, bytes, { mtime: mtimeOf(node) });
    return true;
  }

  /** The first path's parent is found again from the root: every component is one we made. */
  #link(first: string, dir: Fd, name: ByteName): void {
    const slash = first.lastIndexOf('/');
    const base = nameBytes(first.slice(slash + 1) as ByteName);
    if (slash < 0) {
      linkat(this.#root, base, dir, nameBytes(name));
      return;
    }
    using parent = openat2(this.#root, nameBytes(first.slice(0, slash) as ByteName), {
      flags: O_PATH | O_DIRECTORY,
      resolve: RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
    });
    linkat(parent, base, dir, nameBytes(name));
  }

  /** In this order: a new owner clears suid bits and capabilities. */
  #setMeta(node: TreeNode, fd: Fd, path: string): void {
    if (this.#options.privileged) fchownat(fd, '', node.uid, node.gid);
    for (const [name, value] of this.#tree.xattrs(node) ?? []) {
      this.#setXattr(fd, { name, value, path });
    }
    fchmod(fd, node.mode & 0o7777);
    utimensat(fd, '', { mtime: mtimeOf(node) });
  }

  #setXattr(fd: Fd, { name, value, path }: { name: ByteName; value: Buffer; path: string }): void {
    try {
      setxattr(fd, name, value);
    } catch (error) {
      if (!hasCode(error, 'EPERM', 'EACCES', 'EOPNOTSUPP', 'ENOTSUP', 'EINVAL')) throw error;
      if (!(error instanceof Error)) throw error;
      const what = `cannot set ${displayName(name)} (${messageOf(error)})`;
      this.#losses.add(what, displayName(path as ByteName));
    }
  }
}

function mtimeOf(node: TreeNode): { sec: number; nsec: number } {
  return { sec: node.mtimeSec, nsec: node.mtimeNsec };
}

/**
 * Makes the files of an image in `dir`, which is empty and nobody else's. Returns what could not
 * be made as in the image, in sentences for the user.
 */
export async function writeLocalFiles(
  tree: ImageTree,
  dir: string,
  options: LocalOptions,
): Promise<string[]> {
  using root = openat(undefined, dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  return await new LocalWriter(tree, root, options).run();
}
