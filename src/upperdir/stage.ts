import path from 'node:path';

import { copyBytes } from '../overlay/copy-bytes.js';
import type { Contents } from '../overlay/contents.js';
import { typeOf, type Content, type Node } from '../overlay/node.js';
import type { PlainLower } from '../overlay/plain-lower.js';
import { O_CREAT, O_EXCL, O_WRONLY, S_IFCHR, S_IFLNK, S_IFREG } from '../sys/constants.js';
import { withShortPath } from '../sys/deep-path.js';
import { decodeDev } from '../sys/device-number.js';
import { linkat, mkdirat, mknodat, renameat2, symlinkat, unlinkat } from '../sys/directory.js';
import { ftruncate, openat, pwrite } from '../sys/file.js';
import { setxattr } from '../sys/xattr.js';
import { FsError } from '../sys/errno.js';
import { NAME_MAX } from '../sys/constants.js';
import { byteName, nameBytes, type ByteName } from '../util/byte-name.js';
import { hasCode } from '../util/errors.js';
import { sameAsOrigin } from './compare.js';
import { attempt, type Loss } from './loss.js';
import { applyMetadata, metadataOf, type Metadata } from './metadata.js';
import type { Owners } from './owners.js';
import {
  OPAQUE_MARKER,
  OPAQUE_VALUE,
  WHITEOUT_PREFIX,
  join,
  type UpperFormat,
} from './upper-format.js';

/** What inodes are made of and where. */
export interface StageOptions {
  readonly contents: Contents;
  /** The upper directory as the tree's topmost layer. */
  readonly upper: PlainLower;
  /** On the upper directory's file system. */
  readonly dir: Buffer;
  readonly format: UpperFormat;
  readonly owners: Owners;
}

/**
 * Makes the inodes of an upper directory from the nodes of a tree. Contents that are files of
 * their own already are moved, those of the upper directory linked; nothing there is changed.
 */
export class Stage {
  readonly #contents: Contents;
  readonly #upper: PlainLower;
  readonly #dir: Buffer;
  readonly #format: UpperFormat;
  readonly #owners: Owners;
  /** Metadata that the file system does not take. */
  readonly losses: Loss[] = [];
  /** Paths of files of the upper directory that could not get their new names. */
  readonly unmoved: ByteName[] = [];
  /** Where a node with several names is already. */
  readonly #made = new Map<Node, Buffer>();
  #whiteout: Buffer | undefined;
  #count = 0;

  constructor({ contents, upper, dir, format, owners }: StageOptions) {
    this.#owners = owners;
    this.#contents = contents;
    this.#upper = upper;
    this.#dir = dir;
    this.#format = format;
  }

  /** A new name in the stage. */
  newName(): string {
    return String(++this.#count);
  }

  pathOf(name: string): Buffer {
    return join(this.#dir, name);
  }

  /** What to keep of a node. */
  metadataOf(node: Node): Metadata {
    return metadataOf(node, this.#owners);
  }

  /**
   * Whether the upper directory has this inode with all its bytes, so that only its metadata may
   * have changed.
   */
  isAdopted(node: Node): boolean {
    const { origin } = node;
    if (node.isDir || origin?.layer !== this.#upper) return false;
    return sameAsOrigin(node).content && !this.#upper.isMetacopy(origin.handle);
  }

  /** Makes a file that is no directory, under one more of its names, that of the path `at`. */
  makeFile(node: Node, to: Buffer, at: ByteName): void {
    const known = this.#made.get(node);
    if (known !== undefined) {
      link(known, to);
      return;
    }
    if (this.isAdopted(node) && node.origin !== undefined) {
      this.#adopt(this.#upper.stored(node.origin.handle).path, to);
      return;
    }
    try {
      withShortPath(to, (path) => this.#makeInode(node, path));
    } catch (error) {
      remove(to);
      throw error;
    }
    this.#applyMetadata(node, to, at);
    if (node.links > 1) this.#made.set(node, to);
  }

  #adopt(path: Buffer, to: Buffer): void {
    try {
      link(path, to);
    } catch (error) {
      const rootBytes = this.#upper.stored(0).path.length;
      this.unmoved.push(byteName(path.subarray(rootBytes + 1)));
      throw error;
    }
  }

  #makeInode(node: Node, to: Buffer): void {
    const { major, minor } = decodeDev(node.rdev);
    switch (typeOf(node.mode)) {
      case S_IFREG:
        this.#makeRegular(node, to);
        break;
      case S_IFLNK:
        symlinkat(nameBytes(node.target), undefined, to);
        break;
      case S_IFCHR:
        if (major === 0 && minor === 0) throw new FsError('EPERM', 'mknod of a 0/0 device');
        mknodat(undefined, to, (node.mode & ~0o7777) | 0o600, major, minor);
        break;
      default:
        mknodat(undefined, to, (node.mode & ~0o7777) | 0o600, major, minor);
    }
  }

  #makeRegular(node: Node, to: Buffer): void {
    const { content } = node;
    if (content?.kind === 'own') {
      const { dir } = this.#contents.writer;
      const file = Buffer.from(path.join(dir, 'data', String(content.number)));
      renameat2(undefined, file, undefined, to);
      return;
    }
    using fd = openat(undefined, to, O_WRONLY | O_CREAT | O_EXCL, 0o600);
    if (content?.kind === 'memory') {
      pwrite(fd, content.bytes.subarray(0, node.size), 0);
    } else if (content !== undefined) {
      const { fd: from, start } = this.#contents.locate(content);
      copyBytes({ from, start, to: fd, length: node.size, whole: isWholeFile(content) });
    } else if (node.size > 0) {
      ftruncate(fd, node.size);
    }
  }

  makeDir(to: Buffer): void {
    withShortPath(to, (at) => mkdirat(undefined, at));
  }

  /** Completes the directory of the path `at`, once all is in it. */
  finishDir(node: Node, to: Buffer, { at, isOpaque }: { at: ByteName; isOpaque: boolean }): void {
    if (isOpaque) this.#makeOpaque(to);
    this.#applyMetadata(node, to, at);
  }

  /** Contents are kept without their metadata, which nobody but the owner can use then. */
  #applyMetadata(node: Node, to: Buffer, at: ByteName): void {
    const loss = attempt(at, () => applyMetadata(to, this.metadataOf(node)));
    if (loss !== undefined) this.losses.push(loss);
  }

  #makeOpaque(dir: Buffer): void {
    const { opaqueXattr } = this.#format;
    if (opaqueXattr !== undefined) {
      withShortPath(dir, (at) => setxattr(at, opaqueXattr, OPAQUE_VALUE));
    } else {
      makeEmpty(join(dir, OPAQUE_MARKER));
    }
  }

  /** The name of the file that removes `name`. */
  whiteoutName(name: ByteName): ByteName {
    const marked = this.#format.whiteouts === 'device' ? name : `${WHITEOUT_PREFIX}${name}`;
    if (marked.length > NAME_MAX) throw new FsError('ENAMETOOLONG', 'mknod');
    return marked as ByteName;
  }

  /** Makes such a file. */
  makeWhiteout(to: Buffer): void {
    try {
      this.#whiteout ??= this.#newWhiteout();
      link(this.#whiteout, to);
    } catch (error) {
      // So many names as one inode can have.
      if (!hasCode(error, 'EMLINK')) throw error;
      this.#whiteout = this.#newWhiteout();
      link(this.#whiteout, to);
    }
  }

  #newWhiteout(): Buffer {
    const to = this.pathOf(this.newName());
    if (this.#format.whiteouts === 'device') mknodat(undefined, to, S_IFCHR);
    else makeEmpty(to);
    return to;
  }
}

function isWholeFile({ kind }: Content): boolean {
  return kind === 'plain';
}

function makeEmpty(path: Buffer): void {
  withShortPath(path, (at) => openat(undefined, at, O_WRONLY | O_CREAT | O_EXCL, 0o600).close());
}

function link(from: Buffer, to: Buffer): void {
  withShortPath(from, (a) => withShortPath(to, (b) => linkat(undefined, a, undefined, b)));
}

function remove(path: Buffer): void {
  try {
    withShortPath(path, (at) => unlinkat(undefined, at));
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
  }
}
