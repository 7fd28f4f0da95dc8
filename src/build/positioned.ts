import { explainNoSpace } from '../store/no-space.js';
import { FsError } from '../sys/errno.js';
import type { SourceRange } from '../util/errors.js';
import { UserError } from '../util/errors.js';

/** Runs `work`; a UserError without a position gets this one. */
export function positioned<T>(source: SourceRange, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw error instanceof UserError ? error.at(source) : error;
  }
}

/** What a failed system call of a step means to the user; anything else as it is. */
export function explainFailure(error: unknown, storeRoot: string): unknown {
  const explained = explainNoSpace(error, storeRoot);
  if (!(explained instanceof FsError)) return explained;
  return new UserError('TSB_BUILD', `Cannot carry out the step: ${explained.message}`, {
    cause: explained,
  });
}

/** {@link positioned} for asynchronous work. */
export async function positionedAsync<T>(source: SourceRange, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof UserError ? error.at(source) : error;
  }
}
