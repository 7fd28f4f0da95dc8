/**
 * The records of a PAX extended header. Source: POSIX.1-2017 pax(1), "pax Extended Header".
 *
 *   "%d %s=%s\n", <length of the whole record>, <keyword>, <value>
 *
 * e.g. "30 mtime=1700000000.123456789\n". The length is in bytes and counts itself. Values are
 * bytes: `SCHILY.xattr.<name>` (star, GNU tar, Go) holds an xattr's value as it is, NULs and
 * newlines included.
 */
import type { ByteName } from '../util/byte-name.js';
import { invalid } from './header.js';

/** Keyword (latin1) → value, in the order of the archive. */
export type PaxRecords = Map<string, Buffer>;

/** Before an xattr's name in a keyword. */
export const XATTR_PREFIX = 'SCHILY.xattr.';

const SPACE = 0x20;
const NEWLINE = 0x0a;
const EQUALS = 0x3d;
const LENGTH_DIGITS_MAX = 10;

/** Takes the contents of an extended header apart; `TSB_LAYER_INVALID` if malformed. */
export function decodePax(bytes: Buffer): PaxRecords {
  const records: PaxRecords = new Map();
  let at = 0;
  while (at < bytes.length) {
    const space = bytes.indexOf(SPACE, at);
    const digits =
      space < 0 ? '' : bytes.toString('latin1', at, Math.min(space, at + LENGTH_DIGITS_MAX + 1));
    if (!/^[0-9]{1,10}$/.test(digits)) throw invalid('a PAX record has no length');
    const end = at + Number(digits);
    const equals = bytes.indexOf(EQUALS, space + 1);
    const framed = end <= bytes.length && equals > space + 1 && equals < end - 1;
    if (!framed || bytes[end - 1] !== NEWLINE) throw invalid('a PAX record is malformed');
    records.set(bytes.toString('latin1', space + 1, equals), bytes.subarray(equals + 1, end - 1));
    at = end;
  }
  return records;
}

function encodeRecord(keyword: string, value: Buffer): Buffer {
  const rest = Buffer.byteLength(keyword, 'latin1') + value.length + 3;
  let length = rest + 1;
  while (rest + String(length).length !== length) length = rest + String(length).length;
  const head = Buffer.from(`${length} ${keyword}=`, 'latin1');
  return Buffer.concat([head, value, Buffer.of(NEWLINE)], length);
}

/** The contents of an extended header, records sorted by keyword. */
export function encodePax(records: ReadonlyMap<string, Buffer>): Buffer {
  const sorted = [...records].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return Buffer.concat(sorted.map(([keyword, value]) => encodeRecord(keyword, value)));
}

/** Seconds and nanoseconds of a PAX time such as `-1.5` (that is -2 s and 500,000,000 ns). */
export function parsePaxTime(value: Buffer): { sec: number; nsec: number } {
  const match = /^(-?)([0-9]{1,15})(?:\.([0-9]*))?$/.exec(value.toString('latin1'));
  if (match === null) throw invalid(`a PAX time is ${JSON.stringify(value.toString())}`);
  const [, minus, whole, fraction = ''] = match;
  const sec = Number(whole);
  const nsec = Number(fraction.slice(0, 9).padEnd(9, '0'));
  if (minus !== '-') return { sec, nsec };
  return nsec === 0 ? { sec: 0 - sec, nsec: 0 } : { sec: -sec - 1, nsec: 1e9 - nsec };
}

/** The inverse of {@link parsePaxTime}, without trailing zeros. */
export function formatPaxTime(sec: number, nsec: number): string {
  if (nsec === 0) return String(sec);
  const [whole, fraction] = sec < 0 ? [-sec - 1, 1e9 - nsec] : [sec, nsec];
  return `${sec < 0 ? '-' : ''}${whole}.${String(fraction).padStart(9, '0').replace(/0+$/, '')}`;
}

/** A PAX number without sign. */
export function parsePaxNumber(value: Buffer, keyword: string): number {
  const digits = value.toString('latin1');
  const number = Number(digits);
  if (!/^[0-9]{1,16}$/.test(digits) || !Number.isSafeInteger(number)) {
    throw invalid(`the PAX record ${keyword} is ${JSON.stringify(digits)}`);
  }
  return number;
}

/** A PAX path as a name; NULs are refused. */
export function paxName(value: Buffer, keyword: string): ByteName {
  if (value.includes(0)) throw invalid(`the PAX record ${keyword} contains NUL`);
  return value.toString('latin1') as ByteName;
}
