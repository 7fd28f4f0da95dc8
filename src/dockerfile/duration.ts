/*
 * Go's time.ParseDuration: numbers with units ns, us, ms, s, m, h in any sequence ("1m30s",
 * "1.5h"), or 0.
 */
import { PartError } from './locate.js';

const UNIT_NS: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  μs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};

/** Of a duration that means anything. */
const DURATION_CHARS_MAX = 64;

/** Parses a duration into nanoseconds. Throws TSB_PARSE without a position. */
export function parseDurationNs(text: string): number {
  if (text === '0') return 0;
  // The pattern takes cubic time for many digits without a unit.
  const parts = [
    ...text.slice(0, DURATION_CHARS_MAX).matchAll(/(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g),
  ];
  const length = parts.reduce((sum, [part]) => sum + part.length, 0);
  const nanoseconds = Math.trunc(
    parts.reduce((sum, [, count, unit]) => sum + Number(count) * (UNIT_NS[unit ?? ''] ?? 0), 0),
  );
  if (length > 0 && length === text.length && Number.isSafeInteger(nanoseconds)) {
    return nanoseconds;
  }
  throw new PartError(
    'TSB_PARSE',
    `Cannot parse duration "${text}": want numbers with units ns, us, ms, s, m or h`,
    { hint: 'Write for example 30s or 1m30s', part: { text } },
  );
}
