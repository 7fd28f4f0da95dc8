import { createHash } from 'node:crypto';
import { setImmediate as nextTick } from 'node:timers/promises';
import type { IgnoreMatcher } from '../dockerfile/ignore.js';
import type { InodeMeta } from '../layer/types.js';
import {
  O_DIRECTORY,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_RDONLY,
  RESOLVE_BENEATH,
  RESOLVE_NO_MAGICLINKS,
  RESOLVE_NO_SYMLINKS,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
} from '../sys/constants.js';
import { readDir, readlinkat } from '../sys/directory.js';
import type { Fd } from '../sys/fd.js';
import { openat, openat2, preadFull } from '../sys/file.js';
import type { Statx } from '../sys/stat.js';
import { fstat, fstatat } from '../sys/stat.js';
import { getxattr } from '../sys/xattr.js';
import type { ByteName } from '../util/byte-name.js';
import { byteName, byteNameOf, displayName, nameBytes } from '../util/byte-name.js';
import { hasCode, messageOf, UserError } from '../util/errors.js';
import type { ContentMemo } from './content-memo.js';
import { memoKey } from './content-memo.js';
import type { Placement, SourceFiles, SourceInfo } from './copy-source.js';
import { kindOfMode, nodeMake, nodeMeta } from './tree-nodes.js';

/** A file of the context, as it was when it was looked at. */
export interface ContextNode {
  /** Below the context's root, which is empty. */
  readonly path: ByteName;
  readonly stat: Statx;
  readonly info: SourceInfo;
}

const CHUNK_BYTES = 1024 * 1024;
/** Lets timers, signals and output have their turn after this much of a file. */
const TURN_BYTES = 32 * CHUNK_BYTES;
/** Links are never followed by the kernel: what `COPY` follows is decided in copy-source.ts. */
const BENEATH = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS;

/** How a directory is read. */
export interface ContextFilesOptions {
  readonly ignore: IgnoreMatcher | undefined;
  readonly memo: ContentMemo;
  /** For messages; `the build context` if absent. */
  readonly what?: string;
}

/**
 * The build context: real files below one directory, without those that .dockerignore names. A
 * hostile context cannot lead outside, nor can one that changes meanwhile: each file is opened
 * beneath the root's descriptor without following links.
 */
export class ContextFiles implements SourceFiles<ContextNode>, Disposable {
  readonly what: string;
  readonly root: ContextNode;
  readonly #dir: Fd;
  readonly #ignore: IgnoreMatcher | undefined;
  readonly #memo: ContentMemo;

  /** Opens the directory; UserError TSB_CONTEXT if it is none. */
  static open(directory: string, options: ContextFilesOptions): ContextFiles {
    try {
      return new ContextFiles(openat(undefined, directory, O_RDONLY | O_DIRECTORY), options);
    } catch (error) {
      if (!hasCode(error, 'ENOENT', 'ENOTDIR', 'EACCES')) throw error;
      throw new UserError(
        'TSB_CONTEXT',
        `Cannot open the build context "${directory}": ${messageOf(error)}, want a directory`,
        { cause: error },
      );
    }
  }

  private constructor(dir: Fd, { ignore, memo, what }: ContextFilesOptions) {
    this.what = what ?? 'the build context';
    this.#dir = dir;
    this.#ignore = ignore;
    this.#memo = memo;
    const stat = fstat(dir);
    this.root = { path: '' as ByteName, stat, info: infoOf(stat) };
  }

  [Symbol.dispose](): void {
    this.#dir.close();
  }

  info({ info }: ContextNode): SourceInfo {
    return info;
  }

  child(dir: ContextNode, name: ByteName): ContextNode | undefined {
    using fd = this.#openDir(dir);
    const node = this.#look(fd, dir, name);
    return node !== undefined && this.#isVisible(node) ? node : undefined;
  }

  children(dir: ContextNode): (readonly [ByteName, ContextNode])[] {
    using fd = this.#openDir(dir);
    const names = readDir(fd).map(({ name }) => name);
    names.sort();
    return names.flatMap((name) => {
      const node = this.#look(fd, dir, name);
      return node !== undefined && this.#isVisible(node) ? [[name, node] as const] : [];
    });
  }

  async digest(node: ContextNode, signal?: AbortSignal): Promise<string> {
    const known = this.#memo.find(node.stat);
    if (known !== undefined) return known;
    const hash = createHash('sha256');
    let capability: Buffer | undefined;
    if (!isSocket(node.stat)) {
      using fd = this.#openFile(node);
      capability = capabilityOf(fd);
      for await (const chunk of this.#chunks(fd, node, signal)) hash.update(chunk);
    }
    const content = hash.digest('hex');
    const digest = capability === undefined ? content : withCapability(content, capability);
    this.#memo.add(node.stat, digest);
    return digest;
  }

  async *read(node: ContextNode, signal?: AbortSignal): AsyncGenerator<Buffer> {
    // It cannot be opened.
    if (isSocket(node.stat)) return;
    using fd = this.#openFile(node);
    yield* this.#chunks(fd, node, signal);
  }

  identity({ stat: { nlink, dev, ino } }: ContextNode): string | undefined {
    return nlink > 1 ? `${dev}:${ino}` : undefined;
  }

  whyMissing(path: ByteName): string | undefined {
    const stat = fstatat(this.#dir, nameBytes(path));
    if (stat === undefined) return undefined;
    const ignored = this.#ignore?.ignoredBy(displayName(path));
    if (ignored !== undefined) {
      const { file, startLine } = ignored.source;
      return `The file exists, but ${file}:${startLine} leaves it out: ${ignored.pattern}`;
    }
    if (kindOfMode(stat.mode) !== 'symlink') return undefined;
    const target = displayName(byteName(readlinkat(this.#dir, nameBytes(path))));
    return `It is a symbolic link to "${target}", which is not in ${this.what}`;
  }

  async place(node: ContextNode, placement: Placement): Promise<void> {
    const { tree, parent, name, meta, signal } = placement;
    const { kind, target } = node.info;
    if (kind !== 'file') {
      tree.makeNode(parent, name, nodeMeta(meta), nodeMake(meta, target));
    } else if (isSocket(node.stat)) {
      await tree.writeFile(parent, name, nodeMeta(meta), []);
    } else {
      using fd = this.#openFile(node);
      const capability = capabilityOf(fd);
      const xattrs = capability && new Map([[CAPABILITY, capability]]);
      const chunks = this.#chunks(fd, node, signal);
      await tree.writeFile(parent, name, nodeMeta({ ...meta, xattrs }), chunks);
    }
  }

  async *#chunks(fd: Fd, node: ContextNode, signal?: AbortSignal): AsyncGenerator<Buffer> {
    for (let position = 0, turnAt = TURN_BYTES; position < node.stat.size;) {
      if (position >= turnAt) {
        turnAt += TURN_BYTES;
        await nextTick();
        signal?.throwIfAborted();
      }
      const chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, node.stat.size - position));
      const count = preadFull(fd, chunk, position);
      if (count === 0) break;
      position += count;
      yield count === chunk.length ? chunk : chunk.subarray(0, count);
    }
    this.#assertUnchanged(fd, node);
  }

  #look(fd: Fd, dir: ContextNode, name: ByteName): ContextNode | undefined {
    const stat = fstatat(fd, nameBytes(name));
    if (stat === undefined) return undefined;
    const path = (dir.path === '' ? name : `${dir.path}/${name}`) as ByteName;
    const type = stat.mode & S_IFMT;
    const target = type === S_IFLNK ? byteName(readlinkat(fd, nameBytes(name))) : undefined;
    return { path, stat, info: infoOf(stat, target) };
  }

  /** An ignored directory is there if something in it is not ignored. */
  #isVisible(node: ContextNode): boolean {
    const path = displayName(node.path);
    if (this.#ignore === undefined || !this.#ignore.ignores(path)) return true;
    if (node.info.kind !== 'dir' || !this.#ignore.mayContainUnignored(path)) return false;
    return this.children(node).length > 0;
  }

  #openDir({ path }: ContextNode): Fd {
    const flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
    return this.#open(path === '' ? Buffer.from('.') : nameBytes(path), flags);
  }

  #openFile(node: ContextNode): Fd {
    const fd = this.#open(nameBytes(node.path), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    this.#assertUnchanged(fd, node);
    return fd;
  }

  #open(path: Buffer, flags: number): Fd {
    try {
      return openat2(this.#dir, path, { flags, resolve: BENEATH });
    } catch (error) {
      throw new UserError(
        'TSB_CONTEXT',
        `Cannot read "${path.toString('utf8')}" of the build context: ${messageOf(error)}`,
        { cause: error },
      );
    }
  }

  #assertUnchanged(fd: Fd, node: ContextNode): void {
    const now = fstat(fd);
    if (now.mode === node.stat.mode && memoKey(now) === memoKey(node.stat)) return;
    const path = displayName(node.path);
    throw new UserError('TSB_CONTEXT', `Cannot copy "${path}": it changed while it was read`, {
      hint: 'Run the build again when nothing writes to the context',
    });
  }
}

const CAPABILITY = byteNameOf('security.capability');

/**
 * Of a file's extended attributes, what its execution gets; the others say something of this
 * machine, not of the file.
 */
function capabilityOf(file: Fd): Buffer | undefined {
  try {
    return getxattr(file, CAPABILITY);
  } catch (error) {
    // Of another user namespace's root.
    if (hasCode(error, 'EOVERFLOW')) return undefined;
    throw error;
  }
}

function withCapability(digest: string, capability: Buffer): string {
  return createHash('sha256').update(digest).update(capability).digest('hex');
}

/** Files of the context belong to root, whoever owns them here. A socket is an empty file. */
function infoOf(stat: Statx, target?: ByteName): SourceInfo {
  const { size, rdevMajor, rdevMinor, mtimeSec, mtimeNsec } = stat;
  const mode = isSocket(stat) ? (stat.mode & ~S_IFMT) | S_IFREG : stat.mode;
  const owner = { uid: 0, gid: 0, xattrs: undefined };
  const meta: InodeMeta = { mode, rdevMajor, rdevMinor, mtimeSec, mtimeNsec, ...owner };
  return { kind: kindOfMode(mode), meta, size, target };
}

function isSocket({ mode }: Statx): boolean {
  return (mode & S_IFMT) === S_IFSOCK;
}
