import fs from 'node:fs';
import { promisify } from 'node:util';

import { unmountDead } from '../fuse/dead-mount.js';
import { mountFuse } from '../fuse/mount.js';
import { serveAsync } from '../fuse/serve-async.js';
import { OVERLAY_SERVING, OverlayFileSystem } from '../overlay/overlay-filesystem.js';
import { Overlay } from '../overlay/overlay.js';
import { Fd } from '../sys/fd.js';
import { flock, syncfsInThread } from '../sys/file.js';
import { MNT_DETACH, umountInThread } from '../sys/mount.js';
import { UserError, hasCode, messageOf } from '../util/errors.js';
import { OpenDir, assertPair } from './directories.js';
import { lossError, noteFailure, reportFailure } from './failure.js';
import { lockDirectory } from './upper-lock.js';
import { WorkArea } from './work-area.js';

/** Well above what a program needs between two requests. */
const LINGER_MS = 5;

/** How long programs that have files open may go on after the mount has lost its place. */
const GRACE_MS = 300;

/** The subtype of the mounts; `fuse.<subtype>` is their type in the mount table. */
export const MOUNT_SUBTYPE = 'tsbuild-overlayfs';

/** What is mounted where; all paths are absolute. */
export interface OverlayMount {
  /** Top first. */
  readonly lowerdirs: readonly string[];
  /** Takes the changes at the end; undefined: read-only. */
  readonly upperdir: string | undefined;
  readonly workdir: string | undefined;
  readonly mountpoint: string;
  /** The source in the mount table. */
  readonly fsname: string;
  readonly readOnly: boolean;
  readonly suid: boolean;
  readonly dev: boolean;
  readonly exec: boolean;
  readonly allowOther: boolean;
  /** Attributes of overlay file systems are `user.overlay.*`: the kernel's option `userxattr`. */
  readonly userXattr: boolean;
  /** The end of the mount waits for the disk. */
  readonly isSynced: boolean;
}

/** What is told while a mount is served. */
export interface ServeEvents {
  /** The mount answers. */
  onReady(): void;
  warn(text: string): void;
}

/**
 * Mounts, serves until the mount is gone, and writes the changes into the upper directory;
 * aborting `end` unmounts. Throws TSB_NO_SPACE or TSB_OUTPUT if not all could be written.
 */
export async function serveOverlay(
  mount: OverlayMount,
  events: ServeEvents,
  end: AbortSignal,
): Promise<void> {
  using dirs = openDirs(mount);
  const { upper, work } = dirs;
  if (upper === undefined || work === undefined) {
    using overlay = openOverlay(dirs.lowers, undefined, undefined);
    await serveMount(mount, overlay, events, end);
    return;
  }
  assertPair(upper, work);
  const { warn } = events;
  const onWait = (): void => warn(`Waiting for another mount of ${upper.name} to be written`);
  await lockDirectory(upper.fd, { signal: end, onWait });
  if (!flock(work.fd, 'exclusive', { wait: false })) {
    throw new UserError(
      'TSB_USAGE',
      `Cannot use workdir '${work.name}': another mount uses it, want one for each upperdir`,
    );
  }
  reportFailure(upper, warn);
  using area = WorkArea.open({
    upper,
    work,
    warn,
    userXattr: mount.userXattr,
    isSynced: mount.isSynced,
  });
  using overlay = openOverlay(dirs.lowers, upper, area.contentsDir);
  await serveMount(mount, overlay, events, end);
  writeChanges(area, overlay, upper);
}

/** Writes, and leaves a note in the upper directory if that fails. */
function writeChanges(area: WorkArea, overlay: Overlay, upper: OpenDir): void {
  try {
    const losses = area.write(overlay);
    if (losses.length > 0) throw lossError(upper, losses);
  } catch (error) {
    noteFailure(upper, messageOf(error));
    throw error;
  }
}

/** The directories of a mount, open. */
class MountDirs implements Disposable {
  /** Top first. */
  readonly lowers: OpenDir[] = [];
  upper: OpenDir | undefined;
  work: OpenDir | undefined;

  [Symbol.dispose](): void {
    for (const dir of [...this.lowers, this.upper, this.work]) dir?.[Symbol.dispose]();
  }
}

function openDirs({ lowerdirs, upperdir, workdir }: OverlayMount): MountDirs {
  const dirs = new MountDirs();
  try {
    for (const dir of lowerdirs) dirs.lowers.push(OpenDir.open('lowerdir', dir));
    if (upperdir !== undefined) dirs.upper = OpenDir.open('upperdir', upperdir);
    if (workdir !== undefined) dirs.work = OpenDir.open('workdir', workdir);
    return dirs;
  } catch (error) {
    dirs[Symbol.dispose]();
    throw error;
  }
}

async function serveMount(
  mount: OverlayMount,
  overlay: Overlay,
  { onReady, warn }: ServeEvents,
  end: AbortSignal,
): Promise<void> {
  const { fsname } = mount;
  const mountpoint = await prepareMountpoint(mount.mountpoint, warn);
  using device = mountFuse({
    mountpoint,
    fsname,
    subtype: MOUNT_SUBTYPE,
    readOnly: mount.readOnly || mount.upperdir === undefined,
    nodev: !mount.dev,
    nosuid: !mount.suid,
    allowOther: mount.allowOther,
  });
  const stop = new AbortController();
  const fileSystem = new OverlayFileSystem(overlay, { refusesWhiteouts: true });
  const served = serveAsync(device, fileSystem, {
    ...OVERLAY_SERVING,
    lingerMs: LINGER_MS,
    signal: stop.signal,
  });
  const ending = endOnSignal(mountpoint, { end, stop, warn });
  const isReady = await Promise.race([
    fs.promises.stat(mountpoint).then(() => true),
    served.then(() => false),
  ]);
  if (isReady) onReady();
  try {
    await served;
  } finally {
    ending[Symbol.dispose]();
  }
}

/** What ends a mount. */
interface Ending {
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
function endOnSignal(mountpoint: string, { end, stop, warn }: Ending): Disposable {
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

/** Takes a dead mount of ours off the mount point; returns its path without links. */
async function prepareMountpoint(given: string, warn: (text: string) => void): Promise<string> {
  let mountpoint = given;
  try {
    mountpoint = fs.realpathSync(given);
  } catch (error) {
    // A dead mount answers nothing.
    if (!hasCode(error, 'ENOTCONN', 'ECONNABORTED')) throw mountpointError(error, given);
  }
  const dead = await unmountDead(mountpoint, { type: `fuse.${MOUNT_SUBTYPE}` });
  if (dead > 0) warn(`Unmounted ${mountpoint}: the process that had served it is gone`);
  if (fs.statSync(mountpoint).isDirectory()) return mountpoint;
  throw mountpointError(undefined, given);
}

function mountpointError(error: unknown, mountpoint: string): unknown {
  if (error !== undefined && !hasCode(error, 'ENOENT', 'ENOTDIR')) return error;
  return new UserError('TSB_USAGE', `Cannot mount on '${mountpoint}': it is not a directory`, {
    hint: `mkdir -p ${mountpoint}`,
    cause: error,
  });
}

function openOverlay(
  lowerdirs: readonly OpenDir[],
  upper: OpenDir | undefined,
  contentsDir: string | undefined,
): Overlay {
  const lowers = [...lowerdirs].reverse();
  if (upper !== undefined) lowers.push(upper);
  return Overlay.open({
    lowers: lowers.map((dir) => ({ kind: 'plain', dir: dir.path })),
    layerDirOf: (id) => {
      throw new Error(`Cannot find layer ${id}: want directories only`);
    },
    upperdir: contentsDir,
  });
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
