import { UserError } from '../util/errors.js';

/** What an id without a mapping is shown as: the kernel's overflow id. */
export const OVERFLOW_ID = 65534;

/** `length` ids from `stored` on the disk are shown from `shown` on. */
export interface IdRange {
  readonly stored: number;
  readonly shown: number;
  readonly length: number;
}

/** Parses `DISK:SHOWN:COUNT[:...]`; throws TSB_USAGE. */
export function parseIdMapping(text: string): IdRange[] {
  const parts = text.split(':').filter((part) => part !== '');
  const numbers = parts.map(Number);
  const isValid =
    parts.length > 0 && parts.length % 3 === 0 && parts.every((part) => /^\d{1,10}$/.test(part));
  if (!isValid) {
    const want = 'want DISK:SHOWN:COUNT, as often as needed';
    throw new UserError('TSB_USAGE', `Cannot use the id mapping "${text}": ${want}`);
  }
  const ranges: IdRange[] = [];
  for (let at = 0; at < numbers.length; at += 3) {
    const [stored = 0, shown = 0, length = 0] = numbers.slice(at);
    ranges.push({ stored, shown, length });
  }
  return ranges;
}

/** How an id of the disk is shown. No ranges: as it is. */
export function showId(ranges: readonly IdRange[], id: number): number {
  if (ranges.length === 0) return id;
  const range = ranges.find(({ stored, length }) => id >= stored && id - stored < length);
  return range === undefined ? OVERFLOW_ID : range.shown + (id - range.stored);
}

/** How a shown id is kept on the disk; undefined: it cannot be. */
export function storeId(ranges: readonly IdRange[], id: number): number | undefined {
  if (ranges.length === 0) return id;
  const range = ranges.find(({ shown, length }) => id >= shown && id - shown < length);
  return range === undefined ? undefined : range.stored + (id - range.shown);
}
