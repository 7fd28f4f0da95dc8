import { hasCode, UserError } from '../util/errors.js';

/** EDQUOT, for which libuv has no name. */
const EDQUOT = -122;

function isNoSpace(error: unknown): boolean {
  if (hasCode(error, 'ENOSPC', 'EDQUOT')) return true;
  return error instanceof Error && 'errno' in error && error.errno === EDQUOT;
}

/** A full disk or quota as `TSB_NO_SPACE` with the path it was met at; anything else unchanged. */
export function explainNoSpace(error: unknown, path: string): unknown {
  if (!isNoSpace(error)) return error;
  const what = hasCode(error, 'ENOSPC') ? 'the disk is full' : 'the disk quota is used up';
  return new UserError('TSB_NO_SPACE', `Cannot write to '${path}': ${what}`, {
    hint: 'free some space (tsbuild prune), or set TSBUILD_ROOT to a directory on another disk',
    cause: error,
  });
}

/** Runs `action`, which writes to `path`; see {@link explainNoSpace}. */
export async function withSpace<T>(path: string, action: () => T | Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw explainNoSpace(error, path);
  }
}
