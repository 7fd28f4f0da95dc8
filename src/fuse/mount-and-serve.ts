import { spawn } from 'node:child_process';
import path from 'node:path';

import { UserError, hasCode } from '../util/errors.js';
import { realMountpoint, unmountDead } from './mount/dead-mount.js';
import type { FileSystem } from './filesystem.js';
import { mountFuse, type FuseMount } from './mount/mount.js';
import { serveAsync } from './server/serve-async.js';
import type { ServeOptions } from './server/serve.js';

const DEFAULT_FSNAME = 'tsbuild-fuse';
/** Signals that end a mount. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** How to mount and serve. `fsname` is `tsbuild-fuse` by default. */
export interface MountAndServeOptions extends ServeOptions, Partial<FuseMount> {
  /** An existing directory. */
  readonly mountpoint: string;
  /** Called once everybody can use the mount, with its absolute path, without links. */
  readonly onReady?: (mountpoint: string) => void;
  /** Aborting it unmounts. */
  readonly signal?: AbortSignal;
  /** SIGINT, SIGTERM and SIGHUP unmount instead of ending the process. Default true. */
  readonly handleSignals?: boolean;
}

/**
 * Mounts a file system, serves it from the event loop, and resolves when it has been unmounted:
 * by umount(8), by a signal to this process, or by `signal`. Files that are open then go on being
 * served until they are closed; a second signal ends them. A dead mount of a former run on the
 * same directory is taken away first. Needs CAP_SYS_ADMIN in the user namespace (root, or
 * `unshare --user --map-root-user --mount`); throws TSB_NO_FUSE, TSB_USAGE, TSB_SANDBOX.
 */
export async function mountAndServe(
  fileSystem: FileSystem,
  options: MountAndServeOptions,
): Promise<void> {
  const { onReady, signal, handleSignals = true, ...rest } = options;
  // path.resolve would make the current directory of it, and the mount would hide that.
  if (rest.mountpoint === '') {
    throw new UserError('TSB_USAGE', "Cannot mount on '': found no name, want a directory");
  }
  const mountpoint = findMountpoint(rest.mountpoint);
  const type = rest.subtype === undefined ? 'fuse' : `fuse.${rest.subtype}`;
  signal?.throwIfAborted();
  await unmountDead(mountpoint, { type });
  signal?.throwIfAborted();
  try {
    using device = mountFuse({ fsname: DEFAULT_FSNAME, ...rest, mountpoint });
    const stop = new AbortController();
    using _ending = endBy({ signal, handleSignals }, { mountpoint, stop });
    const served = serveAsync(device, fileSystem, { ...rest, signal: stop.signal });
    onReady?.(mountpoint);
    await served;
  } finally {
    // Whoever serves no more must not leave a mount that fails.
    await unmountDead(mountpoint, { type });
  }
}

/** The directory as the mount table will have it; one that is missing is for mount(2) to refuse. */
function findMountpoint(given: string): string {
  try {
    return realMountpoint(given);
  } catch (error) {
    if (!hasCode(error, 'ENOENT', 'ENOTDIR')) throw error;
    return path.resolve(given);
  }
}

/** Unmounts when a signal comes; stops serving when another one does. */
function endBy(
  { signal, handleSignals }: { signal: AbortSignal | undefined; handleSignals: boolean },
  { mountpoint, stop }: { mountpoint: string; stop: AbortController },
): Disposable {
  let isUnmounted = false;
  const end = (): void => {
    if (isUnmounted) stop.abort();
    else unmountElsewhere(mountpoint, () => stop.abort());
    isUnmounted = true;
  };
  signal?.addEventListener('abort', end);
  if (handleSignals) for (const name of SIGNALS) process.on(name, end);
  return {
    [Symbol.dispose]: () => {
      signal?.removeEventListener('abort', end);
      for (const name of SIGNALS) process.off(name, end);
    },
  };
}

/**
 * Unmounts in another process: the kernel first writes back what it holds, and this process must
 * be free to take it.
 */
function unmountElsewhere(mountpoint: string, onFailure: () => void): void {
  const child = spawn('umount', ['-l', '-i', mountpoint], { stdio: 'ignore' });
  child.once('error', onFailure);
  child.once('exit', (code) => {
    if (code !== 0) onFailure();
  });
}
