import { existsSync } from 'node:fs';
import path from 'node:path';
import { hasCode, messageOf, UserError } from '../util/errors.js';

const EDQUOT = -122;

/** A failure to write an output at `dest`, in words of the user; UserErrors stay. */
export function outputError(error: unknown, dest: string): unknown {
  if (error instanceof UserError || !(error instanceof Error)) return error;
  if (hasCode(error, 'ENOSPC') || ('errno' in error && error.errno === EDQUOT)) {
    return new UserError('TSB_NO_SPACE', `Cannot write '${dest}': the disk or quota is full`, {
      hint: 'free some space, or choose a destination on another disk',
      cause: error,
    });
  }
  const codes = ['EACCES', 'EPERM', 'EROFS', 'ENOENT', 'ENOTDIR', 'EEXIST', 'ENOTEMPTY', 'EBUSY'];
  if (!hasCode(error, ...codes, 'EISDIR', 'EXDEV', 'EPIPE', 'ENAMETOOLONG', 'EINVAL')) return error;
  const dir = path.dirname(dest);
  const found = existsSync(dir) ? messageOf(error) : `there is no directory '${dir}'`;
  return new UserError('TSB_OUTPUT', `Cannot write '${dest}': ${found}`, { cause: error });
}
