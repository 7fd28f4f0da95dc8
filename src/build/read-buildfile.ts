import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasCode, messageOf, UserError } from '../util/errors.js';
import { readTextFile } from '../util/text-file.js';
import type { BuildfileInput } from './options.js';

/** Names looked for in a context, in this order. */
export const DEFAULT_NAMES: readonly string[] = ['Buildfile', 'Dockerfile', 'Containerfile'];

/**
 * Reads a Buildfile of this machine: `file`, else the first default name in `context`. Throws
 * TSB_NO_BUILDFILE.
 */
export function readBuildfile(file: string | undefined, context: string): BuildfileInput {
  // A file that the user names may be a pipe; the context may be somebody else's.
  const read = file === undefined ? readTextFile : (path: string) => readFileSync(path, 'utf8');
  const paths = file === undefined ? DEFAULT_NAMES.map((name) => join(context, name)) : [file];
  for (const path of paths) {
    const found = readIfAny(path, read);
    if (found !== undefined) return { text: found, path };
  }
  if (file !== undefined) {
    throw new UserError('TSB_NO_BUILDFILE', `Cannot read "${file}": it does not exist`);
  }
  throw noBuildfile(context);
}

/** The error for a context without a Buildfile of a default name. */
export function noBuildfile(context: string): UserError {
  const names = DEFAULT_NAMES.join(', ');
  return new UserError(
    'TSB_NO_BUILDFILE',
    `Cannot find a Buildfile in "${context}": want ${names}`,
    { hint: 'name it with -f FILE' },
  );
}

function readIfAny(path: string, read: (path: string) => string): string | undefined {
  try {
    return read(path);
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return undefined;
    if (error instanceof UserError) throw error;
    throw new UserError('TSB_NO_BUILDFILE', `Cannot read "${path}": ${messageOf(error)}`, {
      cause: error,
    });
  }
}
