import { isSystemError } from '../sys/errno.js';
import { displayName, type ByteName } from '../util/byte-name.js';
import { hasCode, messageOf } from '../util/errors.js';

/** A file that could not be written, or not with all its metadata. */
export interface Loss {
  readonly path: string;
  readonly reason: string;
}

/** Does what may fail for one file alone; returns what is lost then. Bugs are thrown. */
export function attempt(path: ByteName, work: () => void): Loss | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    if (!isSystemError(error)) throw error;
    return lossOf(path, error);
  }
}

/** What no later attempt would change. */
const PERMANENT = ['EPERM', 'EOPNOTSUPP', 'ENOTSUP', 'EINVAL', 'E2BIG', 'ERANGE', 'EOVERFLOW'];

/** The same of what a later attempt may do; what only that can mend is thrown. */
export function attemptForGood(path: ByteName, work: () => void): Loss | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    // An attribute too large for the file system says the same as a full disk.
    const isAttribute = isSystemError(error) && error.syscall === 'setxattr';
    if (!isAttribute && !hasCode(error, ...PERMANENT)) throw error;
    return lossOf(path, error);
  }
}

function lossOf(path: ByteName, error: unknown): Loss {
  return { path: path === '' ? '.' : displayName(path), reason: messageOf(error) };
}
