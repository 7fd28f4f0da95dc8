/*
 * Layout of a layer's `index` file, version 2. Little-endian, everything at a multiple of 4.
 *
 *   header   64 bytes   see HEADER
 *   layers   16 bytes each: the ids of other layers that contents lie in
 *   inodes  108 bytes each, see INODE; row 0 is the root directory; a directory's row number is
 *           smaller than those of the directories in it
 *   entries  12 bytes each, see ENTRY; those of one directory are adjacent, sorted by name
 *   heap     names, symlink targets, xattr blobs
 *
 * Example: header of an index with one inode and nothing else
 *   54 53 42 4c 41 59 45 52  "TSBLAYER"   04 03 02 01  byte order   02 00 00 00  version
 *   00 00 00 00 layers   01 00 00 00 inodes   00 00 00 00 entries   00 00 00 00 heap bytes  …
 */

/** The first 8 bytes, latin1. */
export const MAGIC = 'TSBLAYER';
/** Reads as this number when the byte order is right. */
export const BYTE_ORDER_MARK = 0x01020304;
/** The version that this code reads and writes. */
export const INDEX_VERSION = 2;

/** Offsets in the header; all fields are u32. */
export const HEADER = {
  byteOrderMark: 8,
  version: 12,
  layerCount: 16,
  inodeCount: 20,
  entryCount: 24,
  heapBytes: 28,
  size: 64,
} as const;

/** Size of a layer id in the table of layers: the 32 hex digits as bytes. */
export const LAYER_ID_BYTES = 16;

/** Offsets in an inode row; u32 unless said otherwise. */
export const INODE = {
  mode: 0,
  uid: 4,
  gid: 8,
  /** Number of names in this layer; of a directory 2 and its subdirectories. */
  nlink: 12,
  rdevMajor: 16,
  rdevMinor: 20,
  /** u64. Of a symlink the length of its target. */
  size: 24,
  /** i64. */
  mtimeSec: 32,
  mtimeNsec: 40,
  /** u8: one of CONTENT. */
  contentKind: 44,
  /** u8: FLAG bits. */
  flags: 45,
  /** Row of the table of layers, or THIS_LAYER. */
  contentLayer: 48,
  /** u64. File: pack offset or file number; symlink: target in the heap; directory: first entry. */
  at: 56,
  /** Directory: number of entries. */
  entryCount: 64,
  xattrAt: 68,
  /** 0: no xattrs. */
  xattrBytes: 72,
  /** 32 bytes; all zero: unknown. */
  digest: 76,
} as const;

/** Size of an inode row. */
export const INODE_BYTES = 108;

/** Offsets in a directory entry row. */
export const ENTRY = {
  nameAt: 0,
  /** u16. */
  nameBytes: 4,
  /** u32: inode row, or WHITEOUT_ROW. */
  row: 8,
  size: 12,
} as const;

/** In place of an inode row: the name is a whiteout. */
export const WHITEOUT_ROW = 0xffffffff;
/** In place of a row of the table of layers: the layer whose index it is. */
export const THIS_LAYER = 0xffffffff;

/** Kinds of content. */
export const CONTENT = { none: 0, pack: 1, file: 2 } as const;

/** Bits of an inode's flags. */
export const FLAG = { opaque: 1, implied: 2, replaces: 4 } as const;

/** Size of a content digest (SHA-256). */
export const DIGEST_BYTES = 32;
