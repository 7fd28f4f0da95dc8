/**
 * The 512-byte header block of a tar archive: the `ustar` interchange format of POSIX.1-1988,
 * with GNU tar's base-256 numbers. Source: POSIX.1-2017 pax(1), "ustar Interchange Format";
 * GNU tar 1.35, src/tar.h.
 *
 *   offset size field          offset size field
 *        0  100 name              257    6 magic "ustar\0" (GNU: "ustar " + " \0")
 *      100    8 mode              263    2 version "00"
 *      108    8 uid               265   32 uname
 *      116    8 gid               297   32 gname
 *      124   12 size              329    8 devmajor
 *      136   12 mtime             337    8 devminor
 *      148    8 chksum            345  155 prefix
 *      156    1 typeflag
 *      157  100 linkname
 *
 * Numbers are octal ASCII ended by NUL or space, e.g. "0000644\0"; a first byte with the high bit
 * set starts a big-endian two's complement number instead.
 */
import type { ByteName } from '../util/byte-name.js';
import { UserError } from '../util/errors.js';

/** The unit of an archive: headers are one block, contents are padded to a multiple of it. */
export const BLOCK = 512;

const FIELD = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  chksum: [148, 8],
  linkname: [157, 100],
  magic: [257, 8],
  devmajor: [329, 8],
  devminor: [337, 8],
  prefix: [345, 155],
} as const;
type Field = readonly [offset: number, size: number];

const TYPEFLAG_OFFSET = 156;
const SPACE = 0x20;
const USTAR_MAGIC = 'ustar\x0000';
const GNU_MAGIC = 'ustar  \0';

/** Values of `typeflag`. */
export const TYPE = {
  regular: '0',
  regularOld: '\0',
  link: '1',
  symlink: '2',
  character: '3',
  block: '4',
  directory: '5',
  fifo: '6',
  contiguous: '7',
  paxHeader: 'x',
  paxGlobal: 'g',
  gnuLongName: 'L',
  gnuLongLink: 'K',
} as const;

/** A header block's own fields, before any extension header is applied. */
export interface TarHeader {
  /** With the ustar prefix. */
  readonly name: ByteName;
  readonly linkname: ByteName;
  readonly typeflag: string;
  /** Permission bits and whatever else the archive has there. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  /** Whole seconds, may be negative. */
  readonly mtime: number;
  readonly devmajor: number;
  readonly devminor: number;
}

/** A damaged or hostile archive. */
export function invalid(what: string): UserError {
  return new UserError('TSB_LAYER_INVALID', `Cannot unpack layer: ${what}`);
}

/** Whether a block is nothing but NULs: two of them end an archive. */
export function isZeroBlock(block: Buffer): boolean {
  for (let i = 0; i < BLOCK; i++) if (block[i] !== 0) return false;
  return true;
}

function text(block: Buffer, [offset, size]: Field): ByteName {
  let end = offset;
  while (end < offset + size && block[end] !== 0) end++;
  return block.toString('latin1', offset, end) as ByteName;
}

function base256(block: Buffer, [offset, size]: Field): number {
  const first = block[offset] ?? 0;
  const negative = (first & 0x40) !== 0;
  let value = BigInt(negative ? first | ~0xff : first & 0x7f);
  for (let i = offset + 1; i < offset + size; i++) value = value * 256n + BigInt(block[i] ?? 0);
  if (!Number.isSafeInteger(Number(value))) throw invalid('a number in a header is out of range');
  return Number(value);
}

function number(block: Buffer, field: Field): number {
  const [offset, size] = field;
  if (((block[offset] ?? 0) & 0x80) !== 0) return base256(block, field);
  let at = offset;
  let end = offset + size;
  while (at < end && (block[at] === SPACE || block[at] === 0)) at++;
  while (end > at && (block[end - 1] === SPACE || block[end - 1] === 0)) end--;
  let value = 0;
  for (; at < end; at++) {
    const digit = (block[at] ?? 0) - 0x30;
    // An early NUL ends the field, as in GNU tar.
    if (block[at] === 0) break;
    if (digit < 0 || digit > 7) throw invalid('a number in a header is not octal');
    value = value * 8 + digit;
  }
  return value;
}

/** The sum of a block's bytes with its checksum field taken as spaces. */
function checksum(block: Buffer): number {
  let sum = 0;
  for (let i = 0; i < BLOCK; i++) sum += block[i] ?? 0;
  const [offset, size] = FIELD.chksum;
  for (let i = offset; i < offset + size; i++) sum += SPACE - (block[i] ?? 0);
  return sum;
}

/** Takes one block that is not zero apart; `TSB_LAYER_INVALID` if it is no tar header. */
export function decodeHeader(block: Buffer): TarHeader {
  if (number(block, FIELD.chksum) !== checksum(block)) {
    throw invalid('a header has a wrong checksum: the archive is damaged or no tar archive');
  }
  const magic = text(block, [FIELD.magic[0], FIELD.magic[1]]);
  const posix = magic === 'ustar';
  const known = posix || magic.startsWith('ustar ');
  const prefix = posix ? text(block, FIELD.prefix) : '';
  const name = text(block, FIELD.name);
  return {
    name: (prefix === '' ? name : `${prefix}/${name}`) as ByteName,
    linkname: text(block, FIELD.linkname),
    typeflag: String.fromCharCode(block[TYPEFLAG_OFFSET] ?? 0),
    mode: number(block, FIELD.mode),
    uid: number(block, FIELD.uid),
    gid: number(block, FIELD.gid),
    size: number(block, FIELD.size),
    mtime: number(block, FIELD.mtime),
    // A V7 archive has anything there.
    devmajor: known ? number(block, FIELD.devmajor) : 0,
    devminor: known ? number(block, FIELD.devminor) : 0,
  };
}

/** Whether `value` fits a number field of `size` bytes as octal digits and a NUL. */
function fitsOctal(value: number, size: number): boolean {
  return value >= 0 && value < 8 ** (size - 1);
}

/** The fields of `header` that a ustar block cannot hold; the codec's caller puts them into PAX. */
export function fieldsTooBig(
  header: Pick<TarHeader, 'uid' | 'gid' | 'size' | 'mtime'>,
): ('uid' | 'gid' | 'size' | 'mtime')[] {
  return (['uid', 'gid', 'size', 'mtime'] as const).filter(
    (field) => !fitsOctal(header[field], FIELD[field][1]),
  );
}

/**
 * Splits a path for the fields `prefix` and `name`; undefined if no slash divides it so that both
 * fit. Latin1 length is byte length.
 */
export function splitPath(path: ByteName): { prefix: string; name: string } | undefined {
  if (path.length <= FIELD.name[1]) return { prefix: '', name: path };
  const slash = path.indexOf('/', path.length - FIELD.name[1] - 1);
  if (slash <= 0 || slash > FIELD.prefix[1] || slash === path.length - 1) return undefined;
  return { prefix: path.slice(0, slash), name: path.slice(slash + 1) };
}

/** Whether a link target fits the header. */
export function fitsLinkname(target: ByteName): boolean {
  return target.length <= FIELD.linkname[1];
}

function putNumber(block: Buffer, [offset, size]: Field, value: number): void {
  const digits = (fitsOctal(value, size) ? value : 0).toString(8).padStart(size - 1, '0');
  block.write(digits, offset, size - 1, 'latin1');
}

/**
 * Makes a ustar block: no user or group name. What does not fit (see {@link fieldsTooBig},
 * {@link splitPath}, {@link fitsLinkname}) is 0 or cut, and must be in a PAX header before it.
 */
export function encodeHeader(header: TarHeader): Buffer {
  const block = Buffer.alloc(BLOCK);
  const split = splitPath(header.name) ?? { prefix: '', name: header.name };
  block.write(split.name, FIELD.name[0], FIELD.name[1], 'latin1');
  block.write(split.prefix, FIELD.prefix[0], FIELD.prefix[1], 'latin1');
  block.write(header.linkname, FIELD.linkname[0], FIELD.linkname[1], 'latin1');
  block.write(header.typeflag, TYPEFLAG_OFFSET, 1, 'latin1');
  block.write(USTAR_MAGIC, FIELD.magic[0], FIELD.magic[1], 'latin1');
  for (const field of ['mode', 'uid', 'gid', 'size', 'mtime', 'devmajor', 'devminor'] as const) {
    putNumber(block, FIELD[field], header[field]);
  }
  block.write(checksum(block).toString(8).padStart(6, '0') + '\0 ', FIELD.chksum[0], 8, 'latin1');
  return block;
}

/** The magic of GNU tar's own format, for tests that make such blocks. */
export const GNU_TAR_MAGIC: string = GNU_MAGIC;
