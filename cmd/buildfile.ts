import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { BuildfileInput } from '../src/build/options.js';
import { hasCode, UserError } from '../src/util/errors.js';
import { readTextFile } from '../src/util/text-file.js';

/** Names looked for in the context, in this order. */
const DEFAULT_NAMES = ['Buildfile', 'Dockerfile', 'Containerfile'];
/** What a Buildfile from standard input is called in messages. */
export const STDIN_NAME = '-';
/** What may be meant for a context of another kind, by its beginning. */
const REMOTE = /^(?:https?:\/\/|git:\/\/|git@|ssh:\/\/|github\.com\/)/;

/** Throws TSB_CONTEXT unless `context` is a directory of this machine. */
export function assertContext(context: string): void {
  const refuse = (found: string, hint?: string): UserError =>
    new UserError('TSB_CONTEXT', `Cannot use build context "${context}": ${found}`, {
      ...(hint !== undefined && { hint }),
    });
  if (context === '-') {
    throw refuse('a context from standard input is not supported', 'unpack it to a directory');
  }
  if (REMOTE.test(context)) throw refuse('it is not a local directory', 'git clone it first');
  const stat = statSync(context, { throwIfNoEntry: false });
  if (stat === undefined) throw refuse('it does not exist');
  if (!stat.isDirectory()) throw refuse('it is not a directory');
}

function readIfAny(path: string, read: (path: string) => string): string | undefined {
  try {
    return read(path);
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return undefined;
    if (error instanceof UserError) throw error;
    const found = error instanceof Error ? error.message : String(error);
    throw new UserError('TSB_NO_BUILDFILE', `Cannot read "${path}": ${found}`, { cause: error });
  }
}

/**
 * Reads the Buildfile: `file` as given (`-`: standard input), else the first default name in
 * `context`. Throws TSB_NO_BUILDFILE.
 */
export async function readBuildfile(
  file: string | undefined,
  context: string,
): Promise<BuildfileInput> {
  if (file === '-') return { text: await text(process.stdin), path: undefined };
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
  const names = DEFAULT_NAMES.join(', ');
  throw new UserError(
    'TSB_NO_BUILDFILE',
    `Cannot find a Buildfile in "${context}": want ${names}`,
    {
      hint: 'name it with -f FILE',
    },
  );
}
