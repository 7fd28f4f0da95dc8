import { FdCache } from '../sys/fd-cache.js';
import type { LayerSet } from '../layer/layer-reader.js';
import { PACK_FILE_BYTES_MAX, type LayerWriter } from '../layer/layer-writer.js';
import { O_NONBLOCK, O_RDONLY, SEEK_DATA, S_IFREG } from '../sys/constants.js';
import { openBeneath } from '../sys/deep-path.js';
import { FsError } from '../sys/errno.js';
import type { Fd } from '../sys/fd.js';
import { ftruncate, lseek, preadFull, pwrite } from '../sys/file.js';
import { fstat } from '../sys/stat.js';
import { assert } from '../util/assert.js';
import { byteName, displayName } from '../util/byte-name.js';
import { copyBytes, reserveBytes, zeroBytes } from './copy-bytes.js';
import { MemoryHoles } from './memory-holes.js';
import { typeOf, type Content, type Node } from './node.js';
import { Slab } from './slab.js';

/** A file that grows beyond this leaves memory for a data file. */
export const CONTENT_MEMORY_BYTES_MAX: number = PACK_FILE_BYTES_MAX;
/** All contents in memory together; beyond it the oldest go to the pack. */
export const CONTENTS_MEMORY_BYTES_MAX: number = 256 * 1024 * 1024;
/** Data files of the upper layer that stay open: small enough for `ulimit -n 256`. */
const OWN_FDS_MAX = 64;
const MEMORY_STEP_BYTES = 256;

/** A content that lies in a file, from `start`. */
export interface Located {
  /** Borrowed: use it at once. */
  readonly fd: Fd;
  readonly start: number;
}

/** Where contents are kept. */
export interface ContentsOptions {
  readonly layers: LayerSet;
  /** Undefined: nothing can be written (EROFS). */
  readonly writer: LayerWriter | undefined;
  readonly memoryBytesMax?: number;
}

/**
 * Reads and writes the bytes of regular files. Small new contents stay in memory; what a lower
 * layer has is copied when it is first written to, and never if it is truncated to nothing.
 */
export class Contents implements Disposable {
  readonly #layers: LayerSet;
  readonly #writer: LayerWriter | undefined;
  readonly #fds = new FdCache(OWN_FDS_MAX);
  readonly #memoryBytesMax: number;
  readonly #slab = new Slab();
  /** Nodes whose content is in memory, least recently written first. */
  readonly #inMemory = new Set<Node>();
  #memoryBytes = 0;
  readonly #holes = new MemoryHoles();

  constructor({ layers, writer, memoryBytesMax = CONTENTS_MEMORY_BYTES_MAX }: ContentsOptions) {
    this.#layers = layers;
    this.#writer = writer;
    this.#memoryBytesMax = memoryBytesMax;
  }

  /** The upper layer, or EROFS. */
  get writer(): LayerWriter {
    if (this.#writer === undefined) throw new FsError('EROFS', 'write');
    return this.#writer;
  }

  /** Fills `into` from `offset` as far as the file goes; returns the number of bytes. */
  read(node: Node, into: Buffer, offset: number): number {
    const length = Math.min(into.length, node.size - offset);
    const { content } = node;
    if (length <= 0 || content === undefined) return 0;
    if (content.kind === 'memory') return content.bytes.copy(into, 0, offset, offset + length);
    const { fd, start } = this.locate(content);
    return preadFull(fd, into.subarray(0, length), start + offset);
  }

  /** Writes `data` at `offset`; the size grows as needed, zeros fill a gap. */
  write(node: Node, data: Buffer, offset: number): void {
    const end = offset + data.length;
    const memory = this.#intoMemory(node, Math.max(end, node.size), node.size);
    if (memory === undefined) pwrite(this.ownFd(node), data, offset);
    else data.copy(memory, offset);
    const before = node.size;
    node.size = Math.max(before, end);
    node.digest = undefined;
    if (memory === undefined) return;
    if (offset > before) this.#holes.add(node, before, offset);
    this.#holes.remove(node, offset, end);
    this.#spill(node);
  }

  /** Cuts or extends (with zeros) to `size`. */
  truncate(node: Node, size: number): void {
    node.digest = undefined;
    if (size === 0) {
      this.release(node);
      node.size = 0;
      return;
    }
    const memory = this.#intoMemory(node, size, Math.min(size, node.size));
    if (memory === undefined) {
      ftruncate(this.ownFd(node, size), size);
    } else {
      // INVARIANT: bytes behind the end are zero, so that growing again shows zeros.
      memory.fill(0, size);
    }
    const before = node.size;
    node.size = size;
    if (memory === undefined) return;
    if (size > before) this.#holes.add(node, before, size);
    else this.#holes.cut(node);
    this.#spill(node);
  }

  /** Zeroes the bytes from `start` to `end`, which the file has: as a hole, or as data. */
  zero(node: Node, start: number, end: number, kind: 'hole' | 'data'): void {
    const memory = this.#intoMemory(node, node.size, node.size);
    node.digest = undefined;
    if (memory !== undefined) {
      memory.fill(0, start, end);
      if (kind === 'hole') this.#holes.add(node, start, end);
      else this.#holes.remove(node, start, end);
      return;
    }
    zeroBytes(this.ownFd(node), start, end, kind);
  }

  /** Makes room for the bytes from `start` to `end`; the file grows unless it is to keep its size. */
  reserve(node: Node, start: number, end: number, keepSize: boolean): void {
    const size = keepSize ? node.size : Math.max(node.size, end);
    const isSmall = end <= CONTENT_MEMORY_BYTES_MAX;
    const memory = isSmall ? this.#intoMemory(node, size, node.size) : undefined;
    if (memory === undefined) reserveBytes(this.ownFd(node), start, end);
    if (size > node.size) this.truncate(node, size);
    this.#holes.remove(node, start, end);
  }

  /** Where data or a hole begins, at `offset` or behind it: lseek(2). ENXIO behind the end. */
  seek(node: Node, offset: number, whence: number): number {
    const { content, size } = node;
    const isData = whence === SEEK_DATA;
    let found: number | undefined;
    if (offset >= size || content === undefined) found = undefined;
    else if (content.kind === 'memory') {
      found = isData ? this.#holes.nextData(node, offset) : this.#holes.nextHole(node, offset);
    } else if (isWholeFile(content)) {
      found = lseek(this.locate(content).fd, offset, whence);
      if (!isData) found = Math.min(found ?? size, size);
    } else {
      found = isData ? offset : size;
    }
    if (found === undefined || (isData && found >= size)) throw new FsError('ENXIO', 'lseek');
    return found;
  }

  /** The descriptor of the node's own data file; makes it a file, with its first `keep` bytes. */
  ownFd(node: Node, keep: number = node.size): Fd {
    const { content } = node;
    const { writer } = this;
    if (content?.kind === 'own') {
      const { number } = content;
      return this.#fds.get(String(number), () => writer.openDataFile(number));
    }
    const { ref, fd } = writer.createDataFile();
    try {
      this.#copyInto(fd, node, Math.min(keep, node.size));
    } catch (error) {
      fd.close();
      writer.removeDataFile(ref.number);
      throw error;
    }
    this.release(node);
    node.content = { kind: 'own', number: ref.number };
    this.#fds.put(String(ref.number), fd);
    return fd;
  }

  #copyInto(to: Fd, node: Node, length: number): void {
    const { content } = node;
    if (content === undefined || length === 0) return;
    if (content.kind === 'memory') {
      for (let at = this.#holes.nextData(node, 0); at !== undefined && at < length;) {
        const end = this.#holes.nextHole(node, at);
        pwrite(to, content.bytes.subarray(at, Math.min(end, length)), at);
        at = this.#holes.nextData(node, end);
      }
      ftruncate(to, length);
      return;
    }
    const { fd, start } = this.locate(content);
    copyBytes({ from: fd, start, to, length, whole: isWholeFile(content) });
  }

  /** Learns what the node's data file takes on the disk: holes take nothing. */
  measure(node: Node): void {
    const { content } = node;
    if (node.size === 0 || content === undefined) return;
    if (content.kind === 'own') {
      // Some programs take a file of no blocks for one hole; the kernel may still hold its data.
      node.allocated = Math.max(1, fstat(this.ownFd(node)).blocks);
    } else if (content.kind === 'ref' && content.ref.kind === 'file') {
      node.allocated ??= this.#layers.open(content.layer).blocks(content.ref);
    }
  }

  /** The file that a content lies in. */
  locate(content: Exclude<Content, { kind: 'memory' }>): Located {
    switch (content.kind) {
      case 'ref':
        return this.#layers.open(content.layer).locate(content.ref);
      case 'packed':
        return { fd: this.writer.packFd(), start: content.offset };
      case 'own': {
        const { number } = content;
        const fd = this.#fds.get(String(number), () => this.writer.openDataFile(number));
        return { fd, start: 0 };
      }
      case 'plain': {
        const { path } = content;
        return { fd: this.#fds.get(path.toString('latin1'), () => openPlain(content)), start: 0 };
      }
    }
  }

  /**
   * The content as bytes of memory with room for `size`, or undefined if it is a data file or has
   * to become one. The first `keep` bytes are kept.
   */
  #intoMemory(node: Node, size: number, keep: number): Buffer | undefined {
    const { content } = node;
    if (size > CONTENT_MEMORY_BYTES_MAX || content?.kind === 'own') return undefined;
    if (content?.kind === 'memory') {
      if (content.bytes.length >= size) return content.bytes;
      const capacity = Math.min(CONTENT_MEMORY_BYTES_MAX, Math.max(size, content.bytes.length * 2));
      const grown = this.#slab.take(capacity);
      content.bytes.copy(grown, 0, 0, node.size);
      this.#memoryBytes += capacity - content.bytes.length;
      content.bytes = grown;
      return grown;
    }
    assert(this.#writer !== undefined || content === undefined, 'contents may be written');
    const bytes = this.#slab.take(Math.ceil(size / MEMORY_STEP_BYTES) * MEMORY_STEP_BYTES);
    if (keep > 0) this.read(node, bytes.subarray(0, keep), 0);
    node.content = { kind: 'memory', bytes };
    node.allocated = undefined;
    this.#inMemory.add(node);
    this.#memoryBytes += bytes.length;
    return bytes;
  }

  /** Moves the oldest contents to the pack while there are too many. */
  #spill(except: Node): void {
    if (this.#memoryBytes <= this.#memoryBytesMax) return;
    for (const node of this.#inMemory) {
      if (node !== except) this.pack(node);
      if (this.#memoryBytes <= this.#memoryBytesMax / 2) return;
    }
  }

  /** Appends a content that is in memory to the pack. */
  pack(node: Node): void {
    const { content } = node;
    if (content?.kind !== 'memory') return;
    const { offset } = this.writer.appendPack(content.bytes.subarray(0, node.size));
    this.release(node);
    node.content = { kind: 'packed', offset };
  }

  /** Copies a content that is not ours into the upper layer. */
  own(node: Node): void {
    if (node.size > CONTENT_MEMORY_BYTES_MAX) {
      this.ownFd(node);
      return;
    }
    const bytes = Buffer.alloc(node.size);
    this.read(node, bytes, 0);
    node.content = { kind: 'packed', offset: this.writer.appendPack(bytes).offset };
  }

  /** Gives `to` (empty) the content of `from` without copying, if it can never change. */
  tryShare(from: Node, to: Node): boolean {
    const { content } = from;
    const immutable =
      content?.kind === 'ref' || content?.kind === 'packed' || content?.kind === 'plain';
    if (!immutable || to.content !== undefined) return false;
    to.content = content;
    to.allocated = from.allocated;
    to.size = from.size;
    to.digest = from.digest;
    return true;
  }

  /** Lets go of a content: the file has none then (its size is the caller's business). */
  release(node: Node): void {
    const { content } = node;
    node.content = undefined;
    node.allocated = undefined;
    if (content?.kind === 'memory') {
      this.#holes.forget(node);
      this.#inMemory.delete(node);
      this.#memoryBytes -= content.bytes.length;
    } else if (content?.kind === 'own') {
      this.#fds.drop(String(content.number));
      this.writer.removeDataFile(content.number);
    }
  }

  [Symbol.dispose](): void {
    this.#fds[Symbol.dispose]();
  }
}

/** Whoever may change the directory may have put a link or a pipe there since. */
function openPlain({ path, rootBytes }: Extract<Content, { kind: 'plain' }>): Fd {
  const [root, inside] = [path.subarray(0, rootBytes), path.subarray(rootBytes + 1)];
  const fd = openBeneath(root, inside, O_RDONLY | O_NONBLOCK);
  if (typeOf(fstat(fd).mode) === S_IFREG) return fd;
  fd.close();
  throw new FsError('ESTALE', 'open', displayName(byteName(inside)));
}

/** Whether a content is a file of its own, from its start. */
function isWholeFile(content: Exclude<Content, { kind: 'memory' }>): boolean {
  return content.kind === 'ref' ? content.ref.kind === 'file' : content.kind !== 'packed';
}
