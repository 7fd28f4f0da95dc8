import { UserError } from '../util/errors.js';
import { OpenDir } from './directories.js';
import { findFailure } from './failure.js';
import { lockDirectory, type WaitOptions } from './upper-lock.js';

/**
 * Waits until no mount uses an upper directory any more: its changes are written then. Throws
 * TSB_OUTPUT if the last one could not write all.
 */
export async function waitForUpper(upperdir: string, options: WaitOptions): Promise<void> {
  using upper = OpenDir.open('upperdir', upperdir);
  await lockDirectory(upper.fd, options);
  const failure = findFailure(upper);
  if (failure !== undefined)
    throw new UserError('TSB_OUTPUT', `The last mount of ${upperdir} failed: ${failure}`);
}
