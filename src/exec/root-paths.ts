import { O_PATH, RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS } from '../sys/constants.js';
import type { Fd } from '../sys/fd.js';
import { openat2 } from '../sys/file.js';
import { MS_NODEV, MS_NOEXEC, MS_NOSUID } from '../sys/mount.js';
import { hasCode } from '../util/errors.js';

/** For mounts that hold nothing to execute. */
export const HARDENED: number = MS_NOSUID | MS_NODEV | MS_NOEXEC;

/** The directory that becomes the root, as long as the old one is still there. */
export class Root {
  readonly #fd: Fd;

  constructor(fd: Fd) {
    this.#fd = fd;
  }

  /** An O_PATH descriptor of a path of the image; symlinks are followed inside it. */
  open(path: string): Fd {
    const resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
    return openat2(this.#fd, path, { flags: O_PATH, resolve });
  }

  /** Calls `action` with a path for mount(2) that names what {@link open} opens. */
  with<T>(path: string, action: (target: string) => T): T {
    using fd = this.open(path);
    return action(procPath(fd));
  }
}

/** A name of an open file that system calls resolve to exactly it. */
export function procPath(fd: Fd): string {
  return `/proc/self/fd/${fd.raw}`;
}

/** Skips a path that is not there: kernels differ in what /proc and /sys have. */
export function ifPresent(action: () => void): void {
  try {
    action();
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
  }
}
