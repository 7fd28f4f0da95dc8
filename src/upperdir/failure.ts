import { getxattr, removexattr, setxattr } from '../sys/xattr.js';
import { UserError, hasCode } from '../util/errors.js';
import type { OpenDir } from './directories.js';
import type { Loss } from './loss.js';

/** Where the upper directory keeps why it could not be written; hidden as overlayfs's own. */
const NOTES = ['trusted.overlay.tsbuild', 'user.overlay.tsbuild'];
const NOTE_BYTES_MAX = 1000;
const SHOWN_MAX = 10;

/** What to throw when some files could not be written. */
export function lossError({ name }: OpenDir, losses: readonly Loss[]): UserError {
  const shown = losses.slice(0, SHOWN_MAX).map(({ path, reason }) => `'${path}' (${reason})`);
  const more = losses.length > SHOWN_MAX ? `, and ${losses.length - SHOWN_MAX} more` : '';
  const isFull = losses.some(({ reason }) => /ENOSPC|EDQUOT/.test(reason));
  const message = `Cannot write into '${name}': ${shown.join(', ')}${more}; the rest is written`;
  return new UserError(isFull ? 'TSB_NO_SPACE' : 'TSB_OUTPUT', message);
}

/** The note while a mount is there: whoever finds it later learns that it was killed. */
export const KILLED = 'its process was killed: what it had not written is lost';

/** Leaves a note for whoever uses the directory next: nobody hears a mount in the background. */
export function noteFailure({ fd }: OpenDir, text: string): void {
  const value = Buffer.from(text).subarray(0, NOTE_BYTES_MAX);
  for (const name of NOTES) {
    try {
      setxattr(fd, name, value);
      return;
    } catch (error) {
      if (!hasCode(error, 'EPERM', 'EOPNOTSUPP', 'ENOTSUP', 'ENOSPC', 'EDQUOT')) throw error;
    }
  }
}

/** The note of the last mount; undefined: there is none. */
export function findFailure({ fd }: OpenDir): string | undefined {
  for (const name of NOTES) {
    const value = getxattr(fd, name);
    if (value !== undefined) return value.toString('utf8');
  }
  return undefined;
}

/** Removes the note. */
export function clearFailure({ fd }: OpenDir): void {
  for (const name of NOTES) {
    if (getxattr(fd, name) !== undefined) removexattr(fd, name);
  }
}

/** Tells the note of the last mount, and removes it. */
export function reportFailure(upper: OpenDir, warn: (text: string) => void): void {
  const text = findFailure(upper);
  if (text === undefined) return;
  warn(`The last mount of ${upper.name} failed: ${text}`);
  clearFailure(upper);
}
