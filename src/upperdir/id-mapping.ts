import { UserError } from '../util/errors.js';

/** What an id without a mapping is shown as: the kernel's overflow id. */
export const OVERFLOW_ID = 65534;
/** 2^32 - 1 means "no id". */
export const ID_MAX: number = 2 ** 32 - 2;

/** `length` ids from `stored` on the disk are shown from `shown` on. */
export interface IdRange {
  readonly stored: number;
  readonly shown: number;
  readonly length: number;
}

/** Parses `DISK:SHOWN:COUNT[:...]`, the value of an option; throws TSB_USAGE. */
export function parseIdMapping(option: string, text: string): IdRange[] {
  const parts = text.split(':').filter((part) => part !== '');
  const numbers = parts.map(Number);
  if (parts.length === 0 || parts.length % 3 !== 0 || !parts.every((part) => /^\d+$/.test(part))) {
    throw mappingError(option, text, 'want DISK:SHOWN:COUNT, as often as needed');
  }
  const ranges: IdRange[] = [];
  for (let at = 0; at < numbers.length; at += 3) {
    const [stored = 0, shown = 0, length = 0] = numbers.slice(at);
    if (length === 0) throw mappingError(option, text, 'found a COUNT of 0, want 1 or more');
    if (Math.max(stored, shown) + length - 1 > ID_MAX) {
      throw mappingError(option, text, `found ids above ${ID_MAX}, the greatest there is`);
    }
    ranges.push({ stored, shown, length });
  }
  return ranges;
}

function mappingError(option: string, text: string, problem: string): UserError {
  return new UserError('TSB_USAGE', `Cannot use option "${option}=${text}": ${problem}`, {
    hint: `${option}=0:100000:65536 shows the ids 0 to 65535 of the disk as 100000 to 165535`,
  });
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
