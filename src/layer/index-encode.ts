import { byteName, type ByteName } from '../util/byte-name.js';
import { UserError } from '../util/errors.js';
import {
  BYTE_ORDER_MARK,
  CONTENT,
  DIGEST_BYTES,
  ENTRY,
  FLAG,
  HEADER,
  INDEX_VERSION,
  INODE,
  INODE_BYTES,
  LAYER_ID_BYTES,
  MAGIC,
  THIS_LAYER,
  WHITEOUT_ROW,
} from './index-format.js';
import {
  LAYER_DEPTH_MAX,
  WHITEOUT,
  type LayerDir,
  type LayerId,
  type LayerNode,
  type Xattrs,
} from './types.js';

/** The known SHA-256 (32 bytes) of a file's content, or undefined. */
export type DigestOf = (node: LayerNode) => Buffer | undefined;

/** Bytes that grow at the end; names are stored once. */
class Heap {
  readonly #parts: Buffer[] = [];
  readonly #names = new Map<string, number>();
  size = 0;

  add(bytes: Buffer): number {
    const at = this.size;
    this.#parts.push(bytes);
    this.size += bytes.length;
    return at;
  }

  addName(name: ByteName): number {
    let at = this.#names.get(name);
    if (at === undefined) {
      at = this.add(Buffer.from(name, 'latin1'));
      this.#names.set(name, at);
    }
    return at;
  }

  toBuffer(): Buffer {
    return Buffer.concat(this.#parts);
  }
}

/** The rows of a tree: each inode once, directories before what is in them. */
interface Numbered {
  readonly nodes: LayerNode[];
  readonly rowOf: Map<LayerNode, number>;
  readonly nlinks: number[];
  entryCount: number;
}

/** Throws `TSB_LIMIT` if a path of `depth` components is too long for a layer. */
export function assertDepth(depth: number): void {
  if (depth <= LAYER_DEPTH_MAX) return;
  const message = `Cannot write layer: directories are nested deeper than ${LAYER_DEPTH_MAX}`;
  throw new UserError('TSB_LIMIT', message);
}

function numberNodes(root: LayerDir): Numbered {
  const numbered: Numbered = {
    nodes: [root],
    rowOf: new Map([[root, 0]]),
    nlinks: [2],
    entryCount: 0,
  };
  const { nodes, rowOf, nlinks } = numbered;
  const depths = [0];
  for (let row = 0; row < nodes.length; row++) {
    const node = nodes[row];
    if (node?.kind !== 'dir') continue;
    numbered.entryCount += node.entries.size;
    const depth = (depths[row] ?? 0) + 1;
    if (node.entries.size > 0) assertDepth(depth);
    for (const child of node.entries.values()) {
      if (child === WHITEOUT) continue;
      const known = rowOf.get(child);
      if (known !== undefined) {
        nlinks[known] = (nlinks[known] ?? 0) + 1;
        continue;
      }
      rowOf.set(child, nodes.length);
      nodes.push(child);
      depths.push(depth);
      nlinks.push(child.kind === 'dir' ? 2 : 1);
      if (child.kind === 'dir') nlinks[row] = (nlinks[row] ?? 0) + 1;
    }
  }
  return numbered;
}

function encodeXattrs(xattrs: Xattrs): Buffer {
  const parts: Buffer[] = [];
  for (const [name, value] of [...xattrs].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const head = Buffer.alloc(8);
    head.writeUInt32LE(name.length, 0);
    head.writeUInt32LE(value.length, 4);
    parts.push(head, Buffer.from(name, 'latin1'), value);
  }
  return Buffer.concat(parts);
}

/** Takes an encoded xattr blob apart; undefined if it is damaged. */
export function decodeXattrs(blob: Buffer): Xattrs | undefined {
  const xattrs = new Map<ByteName, Buffer>();
  for (let at = 0; at < blob.length;) {
    if (at + 8 > blob.length) return undefined;
    const nameEnd = at + 8 + blob.readUInt32LE(at);
    const end = nameEnd + blob.readUInt32LE(at + 4);
    if (end > blob.length) return undefined;
    xattrs.set(byteName(blob.subarray(at + 8, nameEnd)), blob.subarray(nameEnd, end));
    at = end;
  }
  return xattrs.size === 0 ? undefined : xattrs;
}

function writeU64(into: Buffer, value: number, at: number): void {
  into.writeUInt32LE(value % 0x1_0000_0000, at);
  into.writeUInt32LE(Math.floor(value / 0x1_0000_0000), at + 4);
}

/** Numbers of the layers that contents lie in, in order of first use. */
class LayerTable {
  readonly ids: LayerId[] = [];
  readonly #numbers = new Map<LayerId, number>();

  numberOf(id: LayerId): number {
    let number = this.#numbers.get(id);
    if (number === undefined) {
      number = this.ids.length;
      this.ids.push(id);
      this.#numbers.set(id, number);
    }
    return number;
  }
}

/** What rows refer to while they are written. */
interface Sections {
  readonly rows: Buffer;
  readonly entries: Buffer;
  readonly heap: Heap;
  readonly layers: LayerTable;
  nextEntry: number;
}

function writeMeta(sections: Sections, node: LayerNode, nlink: number, at: number): void {
  const { rows } = sections;
  rows.writeUInt32LE(node.mode, at + INODE.mode);
  rows.writeUInt32LE(node.uid, at + INODE.uid);
  rows.writeUInt32LE(node.gid, at + INODE.gid);
  rows.writeUInt32LE(nlink, at + INODE.nlink);
  rows.writeUInt32LE(node.rdevMajor, at + INODE.rdevMajor);
  rows.writeUInt32LE(node.rdevMinor, at + INODE.rdevMinor);
  rows.writeBigInt64LE(BigInt(node.mtimeSec), at + INODE.mtimeSec);
  rows.writeUInt32LE(node.mtimeNsec, at + INODE.mtimeNsec);
  if (node.xattrs !== undefined && node.xattrs.size > 0) {
    const blob = encodeXattrs(node.xattrs);
    rows.writeUInt32LE(sections.heap.add(blob), at + INODE.xattrAt);
    rows.writeUInt32LE(blob.length, at + INODE.xattrBytes);
  }
}

function writeContent(sections: Sections, node: LayerNode & { kind: 'file' }, at: number): void {
  const { rows, layers } = sections;
  writeU64(rows, node.size, at + INODE.size);
  const { content } = node;
  if (content === undefined) return;
  rows.writeUInt8(CONTENT[content.kind], at + INODE.contentKind);
  const layer = content.layer === undefined ? THIS_LAYER : layers.numberOf(content.layer);
  rows.writeUInt32LE(layer, at + INODE.contentLayer);
  writeU64(rows, content.kind === 'pack' ? content.offset : content.number, at + INODE.at);
}

function writeEntries(
  sections: Sections,
  { node, at, rowOf }: { node: LayerDir; at: number; rowOf: Map<LayerNode, number> },
): void {
  const { rows, entries, heap } = sections;
  const flags = (node.opaque ? FLAG.opaque : 0) | (node.implied === true ? FLAG.implied : 0);
  rows.writeUInt8(flags, at + INODE.flags);
  writeU64(rows, sections.nextEntry, at + INODE.at);
  rows.writeUInt32LE(node.entries.size, at + INODE.entryCount);
  const names = [...node.entries.keys()].sort();
  for (const name of names) {
    const child = node.entries.get(name) ?? WHITEOUT;
    const entryAt = sections.nextEntry * ENTRY.size;
    entries.writeUInt32LE(heap.addName(name), entryAt + ENTRY.nameAt);
    entries.writeUInt16LE(name.length, entryAt + ENTRY.nameBytes);
    const row = child === WHITEOUT ? WHITEOUT_ROW : (rowOf.get(child) ?? WHITEOUT_ROW);
    entries.writeUInt32LE(row, entryAt + ENTRY.row);
    sections.nextEntry += 1;
  }
}

function writeHeader(counts: { layers: number; inodes: number; entries: number; heap: number }) {
  const header = Buffer.alloc(HEADER.size);
  header.write(MAGIC, 'latin1');
  header.writeUInt32LE(BYTE_ORDER_MARK, HEADER.byteOrderMark);
  header.writeUInt32LE(INDEX_VERSION, HEADER.version);
  header.writeUInt32LE(counts.layers, HEADER.layerCount);
  header.writeUInt32LE(counts.inodes, HEADER.inodeCount);
  header.writeUInt32LE(counts.entries, HEADER.entryCount);
  header.writeUInt32LE(counts.heap, HEADER.heapBytes);
  return header;
}

/**
 * The index of a layer's tree: deterministic, every inode once. Nodes that are the same object
 * are hard links. Names are at most 65535 bytes.
 */
export function encodeIndex(root: LayerDir, digestOf?: DigestOf): Buffer {
  const { nodes, rowOf, nlinks, entryCount } = numberNodes(root);
  const sections: Sections = {
    rows: Buffer.alloc(nodes.length * INODE_BYTES),
    entries: Buffer.alloc(entryCount * ENTRY.size),
    heap: new Heap(),
    layers: new LayerTable(),
    nextEntry: 0,
  };
  for (const [row, node] of nodes.entries()) {
    const at = row * INODE_BYTES;
    writeMeta(sections, node, nlinks[row] ?? 1, at);
    if (node.kind === 'dir') {
      writeEntries(sections, { node, at, rowOf });
    } else if (node.kind === 'symlink') {
      const target = Buffer.from(node.target, 'latin1');
      writeU64(sections.rows, target.length, at + INODE.size);
      writeU64(sections.rows, sections.heap.add(target), at + INODE.at);
    } else if (node.kind === 'special') {
      sections.rows.writeUInt8(node.replaces === true ? FLAG.replaces : 0, at + INODE.flags);
    } else {
      writeContent(sections, node, at);
      digestOf?.(node)?.copy(sections.rows, at + INODE.digest, 0, DIGEST_BYTES);
    }
  }
  const { rows, entries, heap, layers } = sections;
  const ids = layers.ids.map((id) => Buffer.from(id, 'hex'));
  if (ids.some((id) => id.length !== LAYER_ID_BYTES)) {
    throw new RangeError(`Cannot encode layer ids ${layers.ids.join(', ')}: want 32 hex digits`);
  }
  const header = writeHeader({
    layers: ids.length,
    inodes: nodes.length,
    entries: entryCount,
    heap: heap.size,
  });
  return Buffer.concat([header, ...ids, rows, entries, heap.toBuffer()]);
}
