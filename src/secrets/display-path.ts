import type { ByteName } from '../util/byte-name.js';
import { byteName, escapeName } from '../util/byte-name.js';
import { maskBytes } from './output-mask.js';
import type { Pattern } from './patterns.js';

/** An absolute path for people: secrets are replaced, controls escaped. */
export function displayPath(names: readonly ByteName[], patterns: readonly Pattern[]): string {
  const whole = Buffer.from(`/${names.join('/')}`, 'latin1');
  return escapeName(byteName(maskBytes(whole, patterns)));
}
