import { setTimeout as sleep } from 'node:timers/promises';
import { O_CREAT, O_NOFOLLOW, O_RDWR } from '../sys/constants.js';
import type { Fd } from '../sys/fd.js';
import { flock, openat } from '../sys/file.js';
import { explainNoSpace } from './no-space.js';

/** How often a lock is tried that somebody else holds. */
const POLL_MS = 50;
/** Somebody else must hold it this long before the user is told. */
const NOTICE_MS = 500;

/** How to wait for a lock. */
export interface WaitOptions {
  readonly signal?: AbortSignal;
  /** Told once, if it takes long, what is waited for: `another tsbuild unpacks sha256:…`. */
  readonly onWait?: (what: string) => void;
}

/** What a lock is taken for. */
export type LockKind = 'shared' | 'exclusive';

/**
 * Takes flock(2) on `fd` without blocking the event loop. The lock ends with the descriptor, so
 * also with the process. `what` says whom one waits for. Throws the signal's reason.
 */
export async function lockFd(
  fd: Fd,
  kind: LockKind,
  what: string,
  { signal, onWait }: WaitOptions = {},
): Promise<void> {
  let waitedMs = 0;
  let told = false;
  while (!flock(fd, kind, { wait: false })) {
    if (!told && waitedMs >= NOTICE_MS) {
      told = true;
      onWait?.(what);
    }
    await pause(POLL_MS, signal);
    waitedMs += POLL_MS;
  }
}

/** Sleeps; throws the signal's reason. */
export async function pause(timeMs: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(timeMs, undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}

/** Opens the lock file `file`, made if absent. It is never removed: that could split a lock. */
export function openLockFile(file: string): Fd {
  try {
    return openat(undefined, file, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600);
  } catch (error) {
    throw explainNoSpace(error, file);
  }
}

/** Opens and locks `file`. Disposing the result ends the lock. */
export async function acquireLock(
  file: string,
  kind: LockKind,
  what: string,
  options: WaitOptions = {},
): Promise<Fd> {
  const fd = openLockFile(file);
  try {
    await lockFd(fd, kind, what, options);
    return fd;
  } catch (error) {
    fd[Symbol.dispose]();
    throw error;
  }
}
