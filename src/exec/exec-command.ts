import { statSync } from 'node:fs';

import { execve } from '../sys/process.js';
import { hasCode, messageOf } from '../util/errors.js';
import type { RunSpec } from './run-spec.js';

/** Why a command could not be started, with the status that a shell gives it. */
export interface StartFailure {
  readonly status: 126 | 127;
  readonly message: string;
}

/** What execvp(3) searches without a PATH. */
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * Replaces this process by the command, as execvp(3) does, but without handing a file that is no
 * program to a shell. Returns only if that fails. Call it inside the root, as the command's user.
 */
export function execCommand({ argv, env }: Pick<RunSpec, 'argv' | 'env'>): StartFailure {
  const [name = ''] = argv;
  let denied: string | undefined;
  for (const path of candidates(name, env.PATH ?? DEFAULT_PATH)) {
    try {
      execve(path, argv, env);
    } catch (error) {
      if (hasCode(error, 'ENOENT', 'ENOTDIR')) {
        if (exists(path)) return cannot(127, name, 'its interpreter was not found');
      } else if (hasCode(error, 'EACCES')) {
        denied ??= isDirectory(path) ? 'it is a directory' : 'permission denied';
      } else {
        return cannot(126, name, describe(error));
      }
    }
  }
  if (denied !== undefined) return cannot(126, name, denied);
  return cannot(127, name, 'not found');
}

function candidates(name: string, path: string): string[] {
  if (name.includes('/')) return [name];
  if (name === '') return [];
  return path.split(':').map((dir) => `${dir === '' ? '.' : dir}/${name}`);
}

function describe(error: unknown): string {
  if (hasCode(error, 'ENOEXEC')) return 'exec format error (no #! line, or another architecture)';
  if (hasCode(error, 'E2BIG')) return 'the arguments and the environment are too long';
  return messageOf(error);
}

function cannot(status: 126 | 127, name: string, why: string): StartFailure {
  return { status, message: `tsbuild: cannot start ${JSON.stringify(name)}: ${why}` };
}

function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}
