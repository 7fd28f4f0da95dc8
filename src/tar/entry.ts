import type { ByteName } from '../util/byte-name.js';
import { UserError } from '../util/errors.js';
import { BLOCK, decodeHeader, invalid, isZeroBlock, TYPE, type TarHeader } from './header.js';
import { assertLimit, type TarLimits } from './limits.js';
import {
  decodePax,
  parsePaxNumber,
  parsePaxTime,
  paxName,
  XATTR_PREFIX,
  type PaxRecords,
} from './pax.js';

/** What an entry is; `link` is a hard link. */
export type TarEntryType = 'file' | 'link' | 'symlink' | 'character' | 'block' | 'dir' | 'fifo';

/** One entry of an archive, extension headers applied. Names are as in the archive: hostile. */
export interface TarEntry {
  readonly type: TarEntryType;
  readonly path: ByteName;
  /** Of links, else empty. */
  readonly linkname: ByteName;
  /** Permission bits only. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes of contents; 0 unless a file. */
  readonly size: number;
  readonly mtimeSec: number;
  readonly mtimeNsec: number;
  readonly devmajor: number;
  readonly devminor: number;
  readonly xattrs: ReadonlyMap<ByteName, Buffer> | undefined;
}

/** What the blocks between two entries said. */
export interface Extensions {
  readonly pax: PaxRecords;
  readonly gnuName: ByteName | undefined;
  readonly gnuLink: ByteName | undefined;
}

const ENTRY_TYPES: Readonly<Record<string, TarEntryType>> = {
  [TYPE.regular]: 'file',
  [TYPE.regularOld]: 'file',
  [TYPE.contiguous]: 'file',
  [TYPE.link]: 'link',
  [TYPE.symlink]: 'symlink',
  [TYPE.character]: 'character',
  [TYPE.block]: 'block',
  [TYPE.directory]: 'dir',
  [TYPE.fifo]: 'fifo',
};

/** `size` rounded up to whole blocks. */
export function padded(size: number): number {
  return Math.ceil(size / BLOCK) * BLOCK;
}

function gnuString(bytes: Buffer): ByteName {
  const nul = bytes.indexOf(0);
  return bytes.toString('latin1', 0, nul < 0 ? bytes.length : nul) as ByteName;
}

/**
 * Reads the blocks before an entry's own header: extension headers, or `'end'` where two blocks of
 * zeros end the archive. Global PAX headers are skipped, as Go's reader and containerd do.
 */
export function decodeExtensions(region: Buffer): Extensions | 'end' {
  let pax: PaxRecords = new Map();
  let gnuName: ByteName | undefined;
  let gnuLink: ByteName | undefined;
  for (let at = 0; at < region.length;) {
    const block = region.subarray(at, at + BLOCK);
    if (block.length < BLOCK) throw invalid('an extension header is cut off');
    if (isZeroBlock(block)) {
      const next = region.subarray(at + BLOCK, at + 2 * BLOCK);
      if (next.length === BLOCK && isZeroBlock(next)) return 'end';
      throw invalid('a single block of zeros lies between two entries');
    }
    const { typeflag, size } = decodeHeader(block);
    const bytes = region.subarray(at + BLOCK, at + BLOCK + size);
    if (size < 0 || bytes.length < size) throw invalid('an extension header is cut off');
    if (typeflag === TYPE.paxHeader) pax = decodePax(bytes);
    else if (typeflag === TYPE.gnuLongName) gnuName = gnuString(bytes);
    else if (typeflag === TYPE.gnuLongLink) gnuLink = gnuString(bytes);
    else if (typeflag !== TYPE.paxGlobal) throw unknownType(typeflag, region.subarray(at));
    at += BLOCK + padded(size);
  }
  return { pax, gnuName, gnuLink };
}

function unknownType(typeflag: string, block: Buffer): UserError {
  const { name } = decodeHeader(block.subarray(0, BLOCK));
  const shown = JSON.stringify(Buffer.from(name, 'latin1').toString());
  const reason = typeflag === 'S' ? 'is a sparse file' : `has type ${JSON.stringify(typeflag)}`;
  return new UserError('TSB_UNSUPPORTED', `Cannot unpack layer: entry ${shown} ${reason}`, {
    hint: 'make the archive with `tar --format=pax` and without `--sparse`',
  });
}

/** GNU tar writes `%` and `=` of an xattr's name as %25 and %3D. */
function xattrName(keyword: string): ByteName {
  return keyword
    .slice(XATTR_PREFIX.length)
    .replace(/%(3D|25)/g, (_, hex: string) => (hex === '25' ? '%' : '=')) as ByteName;
}

function xattrsOf(pax: PaxRecords, limits: TarLimits): TarEntry['xattrs'] {
  const xattrs = new Map<ByteName, Buffer>();
  let total = 0;
  for (const [keyword, value] of pax) {
    if (keyword.startsWith('GNU.sparse.')) {
      throw new UserError('TSB_UNSUPPORTED', 'Cannot unpack layer: it has a sparse file');
    }
    if (!keyword.startsWith(XATTR_PREFIX)) continue;
    const name = xattrName(keyword);
    if (name === '' || name.includes('\0')) throw invalid('an xattr has no proper name');
    assertLimit(limits, 'xattrNameBytesMax', name.length, 'name of an xattr');
    assertLimit(limits, 'xattrValueBytesMax', value.length, 'value of an xattr');
    total += name.length + value.length;
    assertLimit(limits, 'xattrsBytesMax', total, 'xattrs of an entry');
    // A copy: the value must not keep the archive's chunk in memory.
    xattrs.set(name, Buffer.from(value));
  }
  return xattrs.size === 0 ? undefined : xattrs;
}

/** A record that is there and not empty: an empty one means the header's own value. */
function record(pax: PaxRecords, keyword: string): Buffer | undefined {
  const value = pax.get(keyword);
  return value === undefined || value.length === 0 ? undefined : value;
}

function paxNumber(pax: PaxRecords, keyword: string, fallback: number): number {
  const value = record(pax, keyword);
  return value === undefined ? fallback : parsePaxNumber(value, keyword);
}

function typeOf(header: TarHeader, block: Buffer, path: ByteName): TarEntryType {
  const type = ENTRY_TYPES[header.typeflag];
  if (type === undefined) throw unknownType(header.typeflag, block);
  // Archives from before POSIX mark a directory so.
  return type === 'file' && path.endsWith('/') ? 'dir' : type;
}

const ID_MAX = 2 ** 32 - 2;

function checkNumbers(entry: TarEntry): void {
  const { uid, gid, size, devmajor, devminor } = entry;
  if (uid < 0 || gid < 0 || uid > ID_MAX || gid > ID_MAX) {
    throw invalid(`an entry belongs to ${uid}:${gid}`);
  }
  if (size < 0) throw invalid('an entry has a negative size');
  if (devmajor < 0 || devminor < 0 || devmajor > 0xfff || devminor > 0xfffff) {
    throw invalid(`a device has number ${devmajor}:${devminor}`);
  }
}

/** Joins an entry's header block with the extension headers before it. */
export function decodeEntry(block: Buffer, extensions: Extensions, limits: TarLimits): TarEntry {
  const header = decodeHeader(block);
  const { pax, gnuName, gnuLink } = extensions;
  const paxPath = record(pax, 'path');
  const paxLink = record(pax, 'linkpath');
  const mtime = record(pax, 'mtime');
  const time = mtime === undefined ? { sec: header.mtime, nsec: 0 } : parsePaxTime(mtime);
  const path = gnuName ?? (paxPath === undefined ? header.name : paxName(paxPath, 'path'));
  const type = typeOf(header, block, path);
  const isLink = type === 'link' || type === 'symlink';
  const device = type === 'character' || type === 'block';
  const linkname =
    gnuLink ?? (paxLink === undefined ? header.linkname : paxName(paxLink, 'linkpath'));
  const entry: TarEntry = {
    type,
    path,
    linkname: isLink ? linkname : ('' as ByteName),
    mode: header.mode & 0o7777,
    uid: paxNumber(pax, 'uid', header.uid),
    gid: paxNumber(pax, 'gid', header.gid),
    size: paxNumber(pax, 'size', header.size),
    mtimeSec: time.sec,
    mtimeNsec: time.nsec,
    devmajor: device ? header.devmajor : 0,
    devminor: device ? header.devminor : 0,
    xattrs: xattrsOf(pax, limits),
  };
  checkNumbers(entry);
  return entry;
}
