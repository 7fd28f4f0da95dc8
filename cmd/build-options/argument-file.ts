import { readFileSync } from 'node:fs';
import { messageOf, UserError } from '../../src/util/errors.js';

/**
 * The words of a `--build-arg-file`: one argument a line, blank lines and those that begin with
 * `#` left out. UserError TSB_USAGE if it cannot be read.
 */
export function readArgumentFile(file: string): string[] {
  try {
    const lines = readFileSync(file, 'utf8').split(/\r?\n/);
    return lines.filter((line) => line.trim() !== '' && !line.startsWith('#'));
  } catch (error) {
    throw new UserError('TSB_USAGE', `Cannot read --build-arg-file "${file}": ${messageOf(error)}`);
  }
}
