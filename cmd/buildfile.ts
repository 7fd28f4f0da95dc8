import { statSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import type { BuildfileInput, BuildfileName } from '../src/build/options.js';
import { readBuildfile } from '../src/build/read-buildfile.js';
import type { ContextWord } from '../src/remote/context-word.js';
import { parseContextWord } from '../src/remote/context-word.js';
import { findScheme } from '../src/remote/http-url.js';
import { UserError } from '../src/util/errors.js';

/** What a Buildfile from standard input is called in messages. */
export const STDIN_NAME = '-';

/** What the word for the context means. Throws TSB_CONTEXT if it is a directory that is none. */
export function assertContext(context: string): ContextWord {
  const refuse = (found: string): UserError =>
    new UserError('TSB_CONTEXT', `Cannot use build context "${context}": ${found}`);
  const word = parseContextWord(context, isDirectory);
  if (word.kind !== 'directory') return word;
  const stat = statSync(context, { throwIfNoEntry: false });
  if (stat === undefined) throw refuse('it does not exist');
  if (!stat.isDirectory()) throw refuse('it is not a directory');
  return word;
}

/**
 * The Buildfile: `file` as given (`-`: standard input), else a default name in `context`. Read if
 * that takes nothing but this machine. Throws TSB_NO_BUILDFILE.
 */
export async function findBuildfile(
  file: string | undefined,
  context: string,
): Promise<BuildfileInput | BuildfileName> {
  const { kind } = assertContext(context);
  if (file === STDIN_NAME) {
    if (kind !== 'stdin') return { text: await text(process.stdin), path: undefined };
    throw new UserError('TSB_USAGE', 'Cannot read both Buildfile and context from standard input', {
      hint: 'Give the Buildfile alone as the context: tsbuild build - < Buildfile',
    });
  }
  const isUrl = file !== undefined && findScheme(file) !== undefined;
  return kind === 'directory' && !isUrl ? readBuildfile(file, context) : { name: file };
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}
