import { UserError } from '../util/errors.js';
import { OpenDir } from './directories.js';
import { findFailure } from './failure.js';
import { lockDirectory, tryLock, type WaitOptions } from './upper-lock.js';

/** How to wait. */
export interface WaitForUpperOptions extends WaitOptions {
  /** Called if no mount uses the directory: all have ended, or there was none. */
  readonly onUnused: () => void;
}

/**
 * Waits until no mount uses an upper directory any more: its changes are written then. Throws
 * TSB_OUTPUT if the last one could not write all.
 */
export async function waitForUpper(
  upperdir: string,
  { onUnused, ...options }: WaitForUpperOptions,
): Promise<void> {
  using upper = OpenDir.open('--wait', upperdir);
  const isUsed = !tryLock(upper.fd);
  if (isUsed) await lockDirectory(upper.fd, options);
  const failure = findFailure(upper);
  if (failure !== undefined)
    throw new UserError('TSB_OUTPUT', `The last mount of ${upperdir} failed: ${failure}`);
  if (!isUsed) onUnused();
}
