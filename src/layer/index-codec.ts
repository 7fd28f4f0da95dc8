import type { ByteName } from '../util/byte-name.js';
import { STORE_DAMAGED_HINT, UserError } from '../util/errors.js';
import { decodeXattrs } from './index-encode.js';
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
import { hashBytes } from './name-hash.js';
import { WHITEOUT, type ContentRef, type LayerId, type Xattrs } from './types.js';

export { encodeIndex, type DigestOf } from './index-encode.js';

/** The number of an inode row. Row 0 is the root directory. */
export type Row = number;

const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;
const S_IFLNK = 0o120000;
const S_IFREG = 0o100000;
/** Of an inode without a name: the root. */
const NO_ENTRY = 0xffffffff;
const RESERVED = /^\.{0,2}$/;

function damaged(what: string): never {
  throw new UserError('TSB_STORE', `Cannot read a layer index: ${what}`, {
    hint: STORE_DAMAGED_HINT,
  });
}

/** The names of all inodes: directory and entry of the first, and those of hard links. */
interface InodeNames {
  readonly dirs: Uint32Array;
  readonly entries: Uint32Array;
  readonly further: ReadonlyMap<Row, readonly { readonly dir: Row; readonly entry: number }[]>;
}

/**
 * A layer's index, read in place: opening it checks the header and the sizes of the sections, and
 * everything else is read, and checked against its bounds, when it is asked for. Throws UserError
 * TSB_STORE where the bytes are damaged.
 */
export class LayerIndex {
  readonly #bytes: Buffer;
  /** Other layers that contents of this one lie in. */
  readonly layers: readonly LayerId[];
  readonly inodeCount: number;
  readonly entryCount: number;
  readonly #inodesAt: number;
  readonly #entriesAt: number;
  readonly #heapAt: number;
  #names: InodeNames | undefined;

  private constructor(bytes: Buffer) {
    const layerCount = bytes.readUInt32LE(HEADER.layerCount);
    this.#bytes = bytes;
    this.inodeCount = bytes.readUInt32LE(HEADER.inodeCount);
    this.entryCount = bytes.readUInt32LE(HEADER.entryCount);
    this.#inodesAt = HEADER.size + layerCount * LAYER_ID_BYTES;
    this.#entriesAt = this.#inodesAt + this.inodeCount * INODE_BYTES;
    this.#heapAt = this.#entriesAt + this.entryCount * ENTRY.size;
    const want = this.#heapAt + bytes.readUInt32LE(HEADER.heapBytes);
    if (bytes.length !== want) damaged(`found ${bytes.length} bytes, want ${want}`);
    if (this.inodeCount === 0) damaged('found no root directory');
    this.layers = Array.from({ length: layerCount }, (_, i) => {
      const at = HEADER.size + i * LAYER_ID_BYTES;
      return bytes.toString('hex', at, at + LAYER_ID_BYTES) as LayerId;
    });
    if (!this.isDir(0)) damaged('found a root that is not a directory');
  }

  /** Takes the bytes of an index; they must not change afterwards. */
  static decode(bytes: Buffer): LayerIndex {
    if (bytes.length < HEADER.size) damaged(`found ${bytes.length} bytes, want a header`);
    if (bytes.toString('latin1', 0, MAGIC.length) !== MAGIC) damaged('found another file type');
    const mark = bytes.readUInt32LE(HEADER.byteOrderMark);
    if (mark !== BYTE_ORDER_MARK) damaged('found another byte order');
    const version = bytes.readUInt32LE(HEADER.version);
    if (version !== INDEX_VERSION) {
      damaged(`found version ${version}, want ${INDEX_VERSION}`);
    }
    return new LayerIndex(bytes);
  }

  #at(row: Row): number {
    if (row >= this.inodeCount) damaged(`found inode ${row} of ${this.inodeCount}`);
    return this.#inodesAt + row * INODE_BYTES;
  }

  #u32(row: Row, field: number): number {
    return this.#bytes.readUInt32LE(this.#at(row) + field);
  }

  #u64(row: Row, field: number): number {
    const at = this.#at(row) + field;
    const value = this.#bytes.readUInt32LE(at) + this.#bytes.readUInt32LE(at + 4) * 0x1_0000_0000;
    if (value > Number.MAX_SAFE_INTEGER) damaged(`found ${value} in inode ${row}`);
    return value;
  }

  #heap(at: number, size: number): Buffer {
    const start = this.#heapAt + at;
    if (start + size > this.#bytes.length) damaged('found a reference past its end');
    return this.#bytes.subarray(start, start + size);
  }

  /** st_mode. */
  mode(row: Row): number {
    return this.#u32(row, INODE.mode);
  }

  isDir(row: Row): boolean {
    return (this.mode(row) & S_IFMT) === S_IFDIR;
  }

  uid(row: Row): number {
    return this.#u32(row, INODE.uid);
  }

  gid(row: Row): number {
    return this.#u32(row, INODE.gid);
  }

  /** Names of the inode in this layer; of a directory 2 and its subdirectories in this layer. */
  nlink(row: Row): number {
    return this.#u32(row, INODE.nlink);
  }

  rdevMajor(row: Row): number {
    return this.#u32(row, INODE.rdevMajor);
  }

  rdevMinor(row: Row): number {
    return this.#u32(row, INODE.rdevMinor);
  }

  /** Of a regular file or a symlink, else 0. */
  size(row: Row): number {
    return this.#u64(row, INODE.size);
  }

  mtimeSec(row: Row): number {
    const at = this.#at(row) + INODE.mtimeSec;
    return this.#bytes.readUInt32LE(at) + this.#bytes.readInt32LE(at + 4) * 0x1_0000_0000;
  }

  mtimeNsec(row: Row): number {
    return this.#u32(row, INODE.mtimeNsec);
  }

  xattrs(row: Row): Xattrs | undefined {
    const size = this.#u32(row, INODE.xattrBytes);
    if (size === 0) return undefined;
    const blob = this.#heap(this.#u32(row, INODE.xattrAt), size);
    return decodeXattrs(blob) ?? damaged(`found damaged xattrs in inode ${row}`);
  }

  /** The SHA-256 of a file's content where it is known: 32 bytes. */
  digest(row: Row): Buffer | undefined {
    const at = this.#at(row) + INODE.digest;
    const digest = this.#bytes.subarray(at, at + DIGEST_BYTES);
    return digest.every((byte) => byte === 0) ? undefined : digest;
  }

  /** Where a file's content lies; undefined: it is empty. */
  content(row: Row): ContentRef | undefined {
    const kind = this.#bytes.readUInt8(this.#at(row) + INODE.contentKind);
    if (kind === CONTENT.none) return undefined;
    if (kind !== CONTENT.pack && kind !== CONTENT.file) damaged(`found content kind ${kind}`);
    if ((this.mode(row) & S_IFMT) !== S_IFREG) damaged(`found content of inode ${row}`);
    const number = this.#u32(row, INODE.contentLayer);
    const layer = number === THIS_LAYER ? undefined : this.layers[number];
    if (number !== THIS_LAYER && layer === undefined) damaged(`found layer number ${number}`);
    const at = this.#u64(row, INODE.at);
    return kind === CONTENT.pack
      ? { kind: 'pack', layer, offset: at }
      : { kind: 'file', layer, number: at };
  }

  /** A symlink's target. */
  target(row: Row): ByteName {
    if ((this.mode(row) & S_IFMT) !== S_IFLNK) damaged(`found a target of inode ${row}`);
    const bytes = this.#heap(this.#u64(row, INODE.at), this.size(row));
    return bytes.toString('latin1') as ByteName;
  }

  /** Whether a directory hides what lower layers have in it. */
  opaque(row: Row): boolean {
    return this.#hasFlag(row, FLAG.opaque);
  }

  /** Whether a directory's metadata is that of the layers below. */
  implied(row: Row): boolean {
    return this.#hasFlag(row, FLAG.implied);
  }

  /** Whether a socket stands where the layers below have something. */
  replaces(row: Row): boolean {
    return this.#hasFlag(row, FLAG.replaces);
  }

  #hasFlag(row: Row, flag: number): boolean {
    return (this.#bytes.readUInt8(this.#at(row) + INODE.flags) & flag) !== 0;
  }

  #range(dir: Row): { first: number; end: number } {
    if (!this.isDir(dir)) damaged(`found entries of inode ${dir}`);
    const first = this.#u64(dir, INODE.at);
    const end = first + this.#u32(dir, INODE.entryCount);
    if (end > this.entryCount) damaged(`found entries ${first} to ${end} of ${this.entryCount}`);
    return { first, end };
  }

  #name(entry: number): ByteName {
    const at = this.#entriesAt + entry * ENTRY.size;
    const start = this.#heapAt + this.#bytes.readUInt32LE(at + ENTRY.nameAt);
    const end = start + this.#bytes.readUInt16LE(at + ENTRY.nameBytes);
    if (end > this.#bytes.length) damaged('found a name past its end');
    return this.#bytes.toString('latin1', start, end) as ByteName;
  }

  /** Below 0: the entry's name comes before `name`. Allocates nothing: lookups live on it. */
  #compare(entry: number, name: ByteName): number {
    const bytes = this.#bytes;
    const at = this.#entriesAt + entry * ENTRY.size;
    const start = this.#heapAt + bytes.readUInt32LE(at + ENTRY.nameAt);
    const size = bytes.readUInt16LE(at + ENTRY.nameBytes);
    if (start + size > bytes.length) damaged('found a name past its end');
    const common = Math.min(size, name.length);
    for (let i = 0; i < common; i++) {
      const order = (bytes[start + i] ?? 0) - name.charCodeAt(i);
      if (order !== 0) return order;
    }
    return size - name.length;
  }

  #child(dir: Row, entry: number): Row | typeof WHITEOUT {
    const row = this.#bytes.readUInt32LE(this.#entriesAt + entry * ENTRY.size + ENTRY.row);
    if (row === WHITEOUT_ROW) return WHITEOUT;
    // INVARIANT: directories have increasing rows, so a damaged index cannot contain itself.
    if (row <= dir && this.isDir(row)) damaged(`found directory ${row} in ${dir}`);
    return row;
  }

  /** What a directory has under a name: an inode, a whiteout, or nothing. */
  child(dir: Row, name: ByteName): Row | typeof WHITEOUT | undefined {
    let { first: low, end: high } = this.#range(dir);
    while (low < high) {
      const middle = (low + high) >>> 1;
      const order = this.#compare(middle, name);
      if (order === 0) return this.#child(dir, middle);
      if (order < 0) low = middle + 1;
      else high = middle;
    }
    return undefined;
  }

  /** A directory's number of entries, whiteouts included. */
  childCount(dir: Row): number {
    return this.#u32(dir, INODE.entryCount);
  }

  /** Hashes of the names of a directory's entries, whiteouts included. */
  nameHashes(dir: Row): Uint32Array {
    const { first, end } = this.#range(dir);
    const hashes = new Uint32Array(end - first);
    for (let entry = first; entry < end; entry++) {
      const at = this.#entriesAt + entry * ENTRY.size;
      const start = this.#heapAt + this.#bytes.readUInt32LE(at + ENTRY.nameAt);
      const size = this.#bytes.readUInt16LE(at + ENTRY.nameBytes);
      hashes[entry - first] = hashBytes(this.#bytes, start, start + size);
    }
    return hashes;
  }

  /** A directory's subdirectories. */
  *childDirs(dir: Row): Generator<[ByteName, Row]> {
    const { first, end } = this.#range(dir);
    for (let entry = first; entry < end; entry++) {
      const row = this.#child(dir, entry);
      if (row !== WHITEOUT && this.isDir(row)) yield [this.#name(entry), row];
    }
  }

  /** Every path of these inodes. The first call passes over all entries, later ones do not. */
  pathsOf(rows: ReadonlySet<Row>): ByteName[][] {
    const { dirs, entries, further } = (this.#names ??= this.#findNames());
    const pathOf = (dir: Row, entry: number): ByteName[] => {
      const path = [this.#name(entry)];
      // A parent's row is smaller, also in a damaged index.
      for (let at = dir; at !== 0; at = dirs[at] ?? 0) {
        const name = entries[at] ?? NO_ENTRY;
        if (name === NO_ENTRY) damaged(`found no name of directory ${at}`);
        path.push(this.#name(name));
      }
      return path.reverse();
    };
    const paths: ByteName[][] = [];
    for (const row of rows) {
      const entry = entries[row] ?? NO_ENTRY;
      if (entry !== NO_ENTRY) paths.push(pathOf(dirs[row] ?? 0, entry));
      for (const each of further.get(row) ?? []) paths.push(pathOf(each.dir, each.entry));
    }
    return paths;
  }

  #findNames(): InodeNames {
    const dirs = new Uint32Array(this.inodeCount);
    const entries = new Uint32Array(this.inodeCount).fill(NO_ENTRY);
    const further = new Map<Row, { readonly dir: Row; readonly entry: number }[]>();
    for (let dir = 0; dir < this.inodeCount; dir++) {
      if (!this.isDir(dir)) continue;
      const { first, end } = this.#range(dir);
      for (let entry = first; entry < end; entry++) {
        const row = this.#child(dir, entry);
        if (row === WHITEOUT) continue;
        if (entries[row] === NO_ENTRY) {
          dirs[row] = dir;
          entries[row] = entry;
          continue;
        }
        const names = further.get(row) ?? [];
        names.push({ dir, entry });
        further.set(row, names);
      }
    }
    return { dirs, entries, further };
  }

  /** A directory's entries, sorted by the bytes of the names. */
  *children(dir: Row): Generator<[ByteName, Row | typeof WHITEOUT]> {
    const { first, end } = this.#range(dir);
    for (let entry = first; entry < end; entry++) {
      const name = this.#name(entry);
      if (RESERVED.test(name) || name.includes('/') || name.includes('\0')) {
        damaged('found a name that no file can have');
      }
      yield [name, this.#child(dir, entry)];
    }
  }
}
