import { UserError } from '../src/util/errors.js';

/**
 * `NAME=VALUE` words as a record; the last one of a name counts. A word without `=` gets its value
 * from `fallback`, and is left out if that has none. `flag` is for the message of TSB_USAGE.
 */
export function parsePairs(
  words: readonly string[],
  flag: string,
  fallback: (name: string) => string | undefined,
): Record<string, string> {
  const pairs: Record<string, string> = {};
  for (const word of words) {
    const equals = word.indexOf('=');
    const name = equals < 0 ? word : word.slice(0, equals);
    if (name === '') {
      throw new UserError('TSB_USAGE', `Cannot use ${flag} "${word}": want NAME=VALUE`);
    }
    const value = equals < 0 ? fallback(name) : word.slice(equals + 1);
    if (value !== undefined) pairs[name] = value;
  }
  return pairs;
}

/** The value of SOURCE_DATE_EPOCH: whole seconds since 1970, or undefined if it is not set. */
export function parseSourceDateEpoch(value: string | undefined): number | undefined {
  if (value === undefined || value === '') return undefined;
  const seconds = Number(value);
  if (/^\d+$/.test(value) && Number.isSafeInteger(seconds)) return seconds;
  throw new UserError(
    'TSB_USAGE',
    `Cannot use SOURCE_DATE_EPOCH "${value}": want seconds since 1970`,
  );
}
