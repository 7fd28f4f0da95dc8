import { readFileSync } from 'node:fs';
import { messageOf, UserError } from '../../src/util/errors.js';

/**
 * The words of a `--build-arg-file`: one argument a line, blank lines and those that begin with
 * `#` left out. A value is the rest of its line as it is: quotes and `#` belong to it. UserError
 * TSB_USAGE if it cannot be read, or with the number of a line that is no argument.
 */
export function readArgumentFile(file: string): string[] {
  const lines = readText(file).split(/\r?\n/);
  const isWord = (line: string): boolean => line.trim() !== '' && !line.startsWith('#');
  lines.forEach((line, index) => {
    const [name = ''] = line.split('=', 1);
    if (isWord(line) && (name === '' || /\s/.test(name))) throw noArgument(file, index + 1, name);
  });
  return lines.filter(isWord);
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new UserError('TSB_USAGE', `Cannot read --build-arg-file "${file}": ${messageOf(error)}`);
  }
}

/** Values are not shown: a log has more readers than the file. */
function noArgument(file: string, line: number, name: string): UserError {
  const found = `line ${line} has the name "${name}", want NAME=VALUE`;
  const bare = name.trim().replace(/^export\s+/, '');
  const hint = /^\S+$/.test(bare) && { hint: `Write ${bare}=VALUE, without "export" and blanks` };
  const message = `Cannot read --build-arg-file "${file}": ${found}`;
  return new UserError('TSB_USAGE', message, hint || {});
}
