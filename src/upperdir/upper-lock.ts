import { setTimeout as sleep } from 'node:timers/promises';

import type { Fd } from '../sys/fd.js';
import { flock } from '../sys/file.js';

/** How often a lock is tried that somebody else holds. */
const POLL_MS = 20;
/** How long somebody else must hold it before the user is told. */
const NOTICE_MS = 1000;

/** How to wait. */
export interface WaitOptions {
  readonly signal: AbortSignal;
  /** Called once, if it takes long. */
  readonly onWait: () => void;
}

/** Takes the lock if nobody has it: see {@link lockDirectory}. */
export function tryLock(fd: Fd): boolean {
  return flock(fd, 'exclusive', { wait: false });
}

/**
 * Takes the lock of a directory, which a mount holds until its changes are written. It ends with
 * the descriptor, so also with the process. Throws the signal's reason.
 */
export async function lockDirectory(fd: Fd, { signal, onWait }: WaitOptions): Promise<void> {
  const start = Date.now();
  let isTold = false;
  while (!tryLock(fd)) {
    signal.throwIfAborted();
    if (!isTold && Date.now() - start >= NOTICE_MS) {
      isTold = true;
      onWait();
    }
    await sleep(POLL_MS);
  }
}
