import fs from 'node:fs';
import { promisify } from 'node:util';

import { Fd } from '../sys/fd.js';
import { syncfsInThread } from '../sys/file.js';
import { MNT_DETACH, umountInThread } from '../sys/mount.js';
import { hasCode, messageOf } from '../util/errors.js';

/** How long programs that have files open may go on after the mount has lost its place. */
const GRACE_MS = 300;

/** What ends a mount. */
export interface Ending {
  /** Somebody wants it to end. */
  readonly end: AbortSignal;
  /** Ends serving, be the mount in use or not. */
  readonly stop: AbortController;
  readonly warn: (text: string) => void;
}

/**
 * Unmounts when `end` is aborted. Programs that have files open then keep the mount alive: it is
 * taken out of their way, what they have written so far is kept, and serving ends.
 */
export function endOnSignal(mountpoint: string, { end, stop, warn }: Ending): Disposable {
  let grace: NodeJS.Timeout | undefined;
  const onEnd = async (): Promise<void> => {
    try {
      if (await unmount(mountpoint)) return;
      warn(`${mountpoint} is in use: what its programs write from now on is lost`);
      grace = setTimeout(() => stop.abort(), GRACE_MS);
    } catch (error) {
      warn(`Cannot unmount ${mountpoint}: ${messageOf(error)}`);
      stop.abort();
    }
  };
  const listener = (): void => void onEnd();
  end.addEventListener('abort', listener, { once: true });
  if (end.aborted) listener();
  return {
    [Symbol.dispose]: () => {
      end.removeEventListener('abort', listener);
      clearTimeout(grace);
    },
  };
}

/**
 * Takes the mount away; if files of it are open, from its place at least, with what was written
 * so far written back: false.
 */
async function unmount(mountpoint: string): Promise<boolean> {
  try {
    await umountInThread(mountpoint, 0);
    return true;
  } catch (error) {
    // Somebody else has unmounted it.
    if (hasCode(error, 'EINVAL', 'ENOENT')) return true;
    if (!hasCode(error, 'EBUSY')) throw error;
  }
  {
    using root = Fd.adopt(await promisify(fs.open)(mountpoint, 'r'));
    await syncfsInThread(root);
  }
  await umountInThread(mountpoint, MNT_DETACH);
  return false;
}
