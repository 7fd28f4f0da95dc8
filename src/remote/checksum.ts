import { UserError } from '../util/errors.js';
import { suggest } from '../util/suggest.js';

/** Digits of each algorithm that `--checksum` of a URL may have. */
const DIGITS = { sha256: 64, sha384: 96, sha512: 128 } as const;

export type ChecksumAlgorithm = keyof typeof DIGITS;

/** What the bytes of a file must hash to. */
export interface Checksum {
  readonly algorithm: ChecksumAlgorithm;
  /** Lower case. */
  readonly hex: string;
}

/** Parses `sha256:HEX`, `sha384:HEX` or `sha512:HEX`. UserError TSB_PARSE. */
export function parseChecksum(text: string): Checksum {
  const colon = text.indexOf(':');
  const [name, hex] = colon < 0 ? ['', text] : [text.slice(0, colon), text.slice(colon + 1)];
  const fail = (found: string, hint: string): UserError =>
    new UserError('TSB_PARSE', `Cannot use --checksum=${text}: ${found}`, { hint });
  if (colon < 0) {
    throw fail('it names no algorithm', `Write --checksum=sha256:${hex}`);
  }
  if (!isAlgorithm(name)) {
    const near = suggest(name, Object.keys(DIGITS)) ?? 'sha256';
    throw fail(`"${name}" is no algorithm that tsbuild knows`, `Did you mean "${near}"?`);
  }
  const want = DIGITS[name];
  if (hex.length !== want || !/^[0-9a-f]+$/i.test(hex)) {
    const found = /^[0-9a-f]*$/i.test(hex)
      ? `${hex.length} digits`
      : 'other than hexadecimal digits';
    throw fail(`found ${found}, want ${want} hexadecimal digits`, `Run ${name}sum on the file`);
  }
  return { algorithm: name, hex: hex.toLowerCase() };
}

export function formatChecksum({ algorithm, hex }: Checksum): string {
  return `${algorithm}:${hex}`;
}

function isAlgorithm(name: string): name is ChecksumAlgorithm {
  return Object.hasOwn(DIGITS, name);
}
