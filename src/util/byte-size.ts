const UNITS = 'bkmgtp';
const KIBI = 1024;

/**
 * A number of bytes as container tools write it: `512`, `64m`, `1.5GiB`; the units are powers of
 * 1024, in any case, with or without `b` or `ib`. Undefined: it is none, or not exact.
 */
export function parseByteSize(text: string): number | undefined {
  const [, number, unit = 'b'] = /^(\d+(?:\.\d+)?) ?([bkmgtp])?(?:i?b)?$/i.exec(text) ?? [];
  if (number === undefined) return undefined;
  const bytes = Math.floor(Number(number) * KIBI ** UNITS.indexOf(unit.toLowerCase()));
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}
