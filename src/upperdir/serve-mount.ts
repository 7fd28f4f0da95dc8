import { once } from 'node:events';
import fs from 'node:fs';

import { realMountpoint, unmountDead } from '../fuse/mount/dead-mount.js';
import type { FileSystem } from '../fuse/filesystem.js';
import { LoggingFileSystem, type OperationLogger } from '../fuse/filesystems/logging-filesystem.js';
import { guardMount } from '../fuse/mount/mount-guard.js';
import { mountFuse, type FuseMount } from '../fuse/mount/mount.js';
import type { MountOptions } from '../fuse/protocol/negotiate.js';
import { serveAsync } from '../fuse/server/serve-async.js';
import { OVERLAY_SERVING, OverlayFileSystem } from '../overlay/overlay-filesystem.js';
import type { Overlay } from '../overlay/overlay.js';
import type { FuseChannel } from '../overlay/server-messages.js';
import { UserError, hasCode } from '../util/errors.js';
import { restrict } from './command-filesystem.js';
import { endOnSignal } from './end-mount.js';
import { Owners, type OwnerRules } from './owners.js';

/** Well above what a program needs between two requests. */
const LINGER_MS = 5;

/** The subtype of the mounts; `fuse.<subtype>` is their type in the mount table. */
export const MOUNT_SUBTYPE = 'tsbuild-overlayfs';
const MOUNT_TYPE = `fuse.${MOUNT_SUBTYPE}`;

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
  readonly owners: OwnerRules;
  readonly hasXattrs: boolean;
  readonly hasAcls: boolean;
  /** The link count of a directory tells its subdirectories; else it is 1. */
  readonly hasDirLinks: boolean;
  /** The kernel gathers writes. */
  readonly hasWriteback: boolean;
  /** How long the kernel keeps names and attributes; undefined: for ever. */
  readonly timeoutSec: number | undefined;
  readonly maxWriteBytes: number | undefined;
  /** The mount goes when the server dies. */
  readonly hasAutoUnmount: boolean;
  readonly channel: FuseChannel;
}

/** What is told while a mount is served. */
export interface ServeEvents {
  /** The mount answers. */
  readonly onReady: () => void;
  readonly warn: (text: string) => void;
  /** Takes every operation; left out: none is told. */
  readonly log?: OperationLogger;
}

/** Mounts, and serves until the mount is gone; aborting `end` unmounts. */
export async function serveMount(
  mount: OverlayMount,
  overlay: Overlay,
  { onReady, warn, log }: ServeEvents,
  end: AbortSignal,
): Promise<void> {
  const mountpoint = await prepareMountpoint(mount.mountpoint, warn);
  using _guard = mount.hasAutoUnmount ? guardMount(mountpoint, MOUNT_TYPE) : undefined;
  const stop = new AbortController();
  if (mount.channel === 'libfuse') {
    const { mountFuseNative } = await import('../fuse-native/mount.js');
    const options = { mountpoint, ...placeOf(mount) };
    const { ended } = await mountFuseNative(options, fileSystemOf(mount, overlay, log));
    using _ending = endOnSignal(mountpoint, { end, stop, warn });
    onReady();
    await Promise.race([ended, once(stop.signal, 'abort')]);
    return;
  }
  using device = mountFuse({ mountpoint, ...placeOf(mount) });
  const served = serveAsync(device, fileSystemOf(mount, overlay, log), {
    ...servingOf(mount),
    lingerMs: LINGER_MS,
    signal: stop.signal,
  });
  using _ending = endOnSignal(mountpoint, { end, stop, warn });
  const isReady = await Promise.race([answers(mountpoint), served.then(() => false)]);
  if (isReady) onReady();
  await served;
}

/** Waits until the mount answers; false: it has ended before. */
async function answers(mountpoint: string): Promise<boolean> {
  try {
    await fs.promises.stat(mountpoint);
    return true;
  } catch (error) {
    return !hasCode(error, 'ENOTCONN', 'ECONNABORTED');
  }
}

/** How the mount table has it. */
function placeOf(mount: OverlayMount): Omit<FuseMount, 'mountpoint'> {
  return {
    fsname: mount.fsname,
    subtype: MOUNT_SUBTYPE,
    readOnly: mount.readOnly || mount.upperdir === undefined,
    nodev: !mount.dev,
    nosuid: !mount.suid,
    noexec: !mount.exec,
    noatime: true,
    allowOther: mount.allowOther,
  };
}

function fileSystemOf(
  { owners, hasXattrs, hasAcls, hasDirLinks }: OverlayMount,
  overlay: Overlay,
  log: OperationLogger | undefined,
): FileSystem {
  const { squashUid, squashGid } = owners;
  const whole = new OverlayFileSystem(overlay, { refusesWhiteouts: true });
  const fileSystem = restrict(whole, {
    owners: new Owners(owners),
    squashUid,
    squashGid,
    hasXattrs,
    hasAcls,
    hasDirLinks,
  });
  return log === undefined ? fileSystem : new LoggingFileSystem(fileSystem, log);
}

/** What is agreed with the kernel. */
function servingOf(mount: OverlayMount): MountOptions {
  const { timeoutSec, maxWriteBytes, hasWriteback, hasAcls, hasXattrs } = mount;
  return {
    ...OVERLAY_SERVING,
    posixAcl: hasAcls && hasXattrs,
    writebackCache: hasWriteback,
    ...(maxWriteBytes !== undefined && { maxWriteBytes }),
    ...(timeoutSec !== undefined && {
      entryTimeoutSec: timeoutSec,
      attrTimeoutSec: timeoutSec,
      negativeTimeoutSec: timeoutSec,
    }),
  };
}

/** Takes a dead mount of ours off the mount point; returns its path without links. */
async function prepareMountpoint(given: string, warn: (text: string) => void): Promise<string> {
  let mountpoint: string;
  try {
    mountpoint = realMountpoint(given);
  } catch (error) {
    throw mountpointError(error, given);
  }
  const dead = await unmountDead(mountpoint, { type: MOUNT_TYPE });
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
