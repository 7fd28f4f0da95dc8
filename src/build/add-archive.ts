import { Readable } from 'node:stream';
import type { InodeMeta } from '../layer/types.js';
import type { ImageTree, TreeNode } from '../overlay/image-tree.js';
import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFREG } from '../sys/constants.js';
import { decompress, detectCompression } from '../tar/decompress.js';
import type { Compression } from '../tar/decompress.js';
import type { TarEntry } from '../tar/entry.js';
import { BLOCK, decodeHeader, isZeroBlock } from '../tar/header.js';
import { assertLimit, TAR_LIMITS } from '../tar/limits.js';
import type { TarItem } from '../tar/reader.js';
import { readEntries } from '../tar/reader.js';
import type { ByteName } from '../util/byte-name.js';
import { byteNameOf, displayName } from '../util/byte-name.js';
import type { ErrorCode } from '../util/error-codes.js';
import { hasCode, UserError } from '../util/errors.js';
import type { CopyTarget } from './copy-apply.js';
import { findNode, makeDirectory, newDirectoryMeta, refuseWhiteoutName } from './copy-apply.js';
import type { SourceInfo } from './copy-source.js';
import { isDirectory, nodeMake, nodeMeta } from './tree-nodes.js';

/** A file that may be an archive. */
export interface ArchiveProbe {
  readonly info: Pick<SourceInfo, 'kind' | 'size'>;
  /** The bytes from the first on, each time. */
  readonly read: () => AsyncIterable<Buffer>;
}

/** Of the path of an entry, in a message. */
const SHOWN_BYTES_MAX = 80;

/** Programs for what Node cannot decompress: the command, and the package that brings it. */
const PROGRAMS: Partial<Record<Compression, readonly [command: string, debian: string]>> = {
  bzip2: ['bzip2', 'bzip2'],
  xz: ['xz', 'xz-utils'],
};

const TYPE_BITS: Readonly<Record<Exclude<TarEntry['type'], 'link'>, number>> = {
  file: S_IFREG,
  symlink: S_IFLNK,
  character: S_IFCHR,
  block: S_IFBLK,
  dir: S_IFDIR,
  fifo: S_IFIFO,
};

/**
 * Whether a file is a tar archive, plain or compressed with gzip, bzip2, xz or zstd: its first
 * block has a proper header. Names do not matter.
 */
export async function isArchive({ info, read }: ArchiveProbe): Promise<boolean> {
  if (info.kind !== 'file' || info.size === 0) return false;
  const start = await head(read(), BLOCK);
  if (detectCompression(start) === 'none') return hasHeader(start);
  try {
    return hasHeader(await head(plainBytes(read()), BLOCK));
  } catch (error) {
    // Something that only begins like a compressed file.
    if (error instanceof UserError && error.code === 'TSB_LAYER_INVALID') return false;
    throw error;
  }
}

/**
 * Unpacks an archive into the destination: entries keep owner (unless `--chown`), mode, times,
 * xattrs, links. Paths and links resolve inside the destination alone, as if it were the root; an
 * entry that leads out with `..` is refused.
 */
export async function addArchive(
  probe: Pick<ArchiveProbe, 'read'>,
  target: CopyTarget,
): Promise<void> {
  const unpacker = new Unpacker(target);
  for await (const item of readEntries(bounded(plainBytes(probe.read())))) {
    target.signal.throwIfAborted();
    await unpacker.add(item);
  }
  unpacker.finish();
}

class Unpacker {
  readonly #target: CopyTarget;
  readonly #tree: ImageTree;
  /** The destination. */
  readonly #root: TreeNode;
  /** Directories of the archive by node: the last entry of each counts. */
  readonly #dirs = new Map<TreeNode, InodeMeta>();

  constructor(target: CopyTarget) {
    const { tree, destination, changes, nowMs } = target;
    this.#target = target;
    this.#tree = tree;
    const meta = newDirectoryMeta({ owner: changes.owner, changeMode: undefined }, nowMs);
    this.#root = makeDirectory(tree, byteNameOf(destination.path), meta);
  }

  async add({ entry, contents }: TarItem): Promise<void> {
    const names = partsOf(entry.path);
    const name = names.pop();
    if (name === undefined) return;
    for (const each of [...names, name]) {
      refuseWhiteoutName(each, displayName(entry.path));
      refuseLong('nameBytesMax', each, entry.path);
    }
    if (entry.type === 'symlink') refuseLong('linkTargetBytesMax', entry.linkname, entry.path);
    const parent = this.#implied(names);
    if (entry.type === 'link') {
      this.#link(parent, name, entry);
      return;
    }
    const meta = this.#metaOf(entry, TYPE_BITS[entry.type]);
    const existing = this.#tree.child(parent, name);
    const make = nodeMake(meta, entry.linkname);
    if (entry.type === 'dir') {
      const merges = isDirectory(existing);
      if (existing !== undefined && !merges) this.#remove(parent, name, existing);
      const node = merges ? existing : this.#tree.makeNode(parent, name, nodeMeta(meta), make);
      this.#dirs.set(node, meta);
      return;
    }
    if (existing !== undefined) this.#remove(parent, name, existing);
    if (entry.type === 'file') {
      await this.#tree.writeFile(parent, name, nodeMeta(meta), contents);
    } else {
      this.#tree.makeNode(parent, name, nodeMeta(meta), make);
    }
  }

  /** Sets what the contents of directories have changed since. */
  finish(): void {
    for (const [node, meta] of this.#dirs) this.#tree.setMeta(node, nodeMeta(meta));
  }

  #remove(parent: TreeNode, name: ByteName, node: TreeNode): void {
    // Directories below it have no further entries of their own.
    if (isDirectory(node)) {
      for (const [below, child] of [...this.#tree.children(node)]) this.#remove(node, below, child);
    }
    this.#dirs.delete(node);
    this.#tree.remove(parent, name);
  }

  /** A directory that an entry lies in: root's, if the archive does not say. */
  #implied(names: readonly ByteName[]): TreeNode {
    if (names.length === 0) return this.#root;
    const meta = newDirectoryMeta({ owner: undefined, changeMode: undefined }, this.#target.nowMs);
    return makeDirectory(this.#tree, names.join('/') as ByteName, meta, this.#root);
  }

  #link(parent: TreeNode, name: ByteName, entry: TarEntry): void {
    const names = partsOf(entry.linkname);
    const last = names.pop();
    const dir = findNode(this.#tree, names.join('/') as ByteName, this.#root);
    const from = last === undefined || !isDirectory(dir) ? undefined : this.#tree.child(dir, last);
    if (from === undefined || isDirectory(from)) {
      throw new UserError(
        'TSB_COPY',
        `Cannot unpack "${displayName(entry.path)}": it is a hard link to "${displayName(entry.linkname)}", want a file of the archive`,
      );
    }
    const existing = this.#tree.child(parent, name);
    if (existing === from) return;
    if (existing !== undefined) this.#remove(parent, name, existing);
    this.#tree.link(from, parent, name);
  }

  #metaOf(entry: TarEntry, type: number): InodeMeta {
    const { mode, uid, gid, mtimeSec, mtimeNsec, devmajor, devminor, xattrs } = entry;
    return {
      // Linux has no other mode for them.
      mode: type | (type === S_IFLNK ? 0o777 : mode),
      uid,
      gid,
      mtimeSec,
      mtimeNsec,
      xattrs,
      rdevMajor: devmajor,
      rdevMinor: devminor,
      ...this.#target.changes.owner,
    };
  }
}

/** The limits are the kernel's own: it has no such file. */
function refuseLong(
  limit: 'nameBytesMax' | 'linkTargetBytesMax',
  found: ByteName,
  path: ByteName,
): void {
  const max = TAR_LIMITS[limit];
  if (found.length <= max) return;
  const shown = path.length > SHOWN_BYTES_MAX ? `${displayName(cut(path))}…` : displayName(path);
  const what = limit === 'nameBytesMax' ? 'a name' : 'a link target';
  const message = `Cannot unpack "${shown}": found ${what} of ${found.length} bytes, want at most ${max}`;
  throw new UserError('TSB_LIMIT', message);
}

function cut(path: ByteName): ByteName {
  return path.slice(0, SHOWN_BYTES_MAX) as ByteName;
}

/**
 * Says of an error of {@link addArchive} which archive it is. `code` is for damage, with a hint
 * where there is something else to do with the file.
 */
export function archiveError(
  error: unknown,
  { what, code, hint }: { what: string; code: ErrorCode; hint?: string },
): unknown {
  const prefix = /^Cannot unpack (?:layer|archive): /;
  if (!(error instanceof UserError) || !prefix.test(error.message)) return error;
  const isDamage = error.code === 'TSB_LAYER_INVALID';
  const advice = error.hint ?? (isDamage ? hint : undefined);
  const message = error.message.replace(prefix, () => `Cannot unpack ${what}: `);
  return new UserError(isDamage ? code : error.code, message, {
    ...(advice !== undefined && { hint: advice }),
    cause: error,
  });
}

/** The components of an archive's path, cleaned; a leading slash means nothing. */
function partsOf(path: ByteName): ByteName[] {
  const parts: ByteName[] = [];
  for (const part of path.split('/') as ByteName[]) {
    if (part === '' || part === '.') continue;
    if (part !== '..') parts.push(part);
    else if (parts.pop() === undefined) {
      const message = `Cannot unpack "${displayName(path)}": it leads out with ".."`;
      throw new UserError('TSB_COPY', message);
    }
  }
  return parts;
}

/** A few compressed bytes can hold a disk of zeros. */
async function* bounded(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let size = 0;
  for await (const chunk of chunks) {
    size += chunk.length;
    assertLimit(TAR_LIMITS, 'unpackedBytesMax', size, 'unpacked size');
    yield chunk;
  }
}

async function* plainBytes(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const iterator = chunks[Symbol.asyncIterator]();
  const first = await iterator.next();
  const start = first.done === true ? Buffer.alloc(0) : first.value;
  async function* all(): AsyncGenerator<Buffer> {
    yield start;
    yield* { [Symbol.asyncIterator]: () => iterator };
  }
  const program = PROGRAMS[detectCompression(start)];
  if (program === undefined) yield* decompress(all());
  else yield* throughProgram(program, all());
}

async function* throughProgram(
  [command, debian]: readonly [string, string],
  chunks: AsyncIterable<Buffer>,
): AsyncGenerator<Buffer> {
  const source = Readable.from(chunks);
  const { execa } = await import('execa');
  const child = execa(command, ['-dc'], {
    input: source,
    buffer: { stdout: false, stderr: true },
    encoding: 'buffer',
  });
  // Awaited below; until then a failure is nobody's.
  child.catch(() => undefined);
  // A reader that stops early ends the program with SIGPIPE: that is no damage.
  let isWanted = true;
  try {
    for await (const chunk of child.iterable({ from: 'stdout', binary: true })) {
      isWanted = false;
      yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
      isWanted = true;
    }
    // Its output has ended, it itself perhaps not: a kill would look like damage.
    await child;
  } catch (error) {
    if (isWanted) throw programError(error, command, debian);
  } finally {
    child.kill();
    source.destroy();
  }
}

function programError(error: unknown, command: string, debian: string): UserError {
  const cause = error instanceof Error ? error.cause : undefined;
  if (hasCode(error, 'ENOENT') || hasCode(cause, 'ENOENT')) {
    return new UserError(
      'TSB_MISSING_TOOL',
      `Cannot unpack archive: the program "${command}" is not installed`,
      { hint: `apt-get install ${debian}`, cause: error },
    );
  }
  const message = `Cannot unpack archive: "${command}" found it damaged`;
  return new UserError('TSB_LAYER_INVALID', message, { cause: error });
}

/** The first bytes of a stream, which is then closed. */
async function head(chunks: AsyncIterable<Buffer>, bytes: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    parts.push(chunk);
    size += chunk.length;
    if (size >= bytes) break;
  }
  return Buffer.concat(parts).subarray(0, bytes);
}

function hasHeader(block: Buffer): boolean {
  if (block.length < BLOCK || isZeroBlock(block)) return false;
  try {
    decodeHeader(block);
    return true;
  } catch (error) {
    if (error instanceof UserError) return false;
    throw error;
  }
}
