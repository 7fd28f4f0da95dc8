import fs from 'node:fs';
import path from 'node:path';

import { unmountDead } from '../fuse/dead-mount.js';
import { mountFuse } from '../fuse/mount.js';
import { serveAsync } from '../fuse/serve-async.js';
import { OVERLAY_SERVING, OverlayFileSystem } from '../overlay/overlay-filesystem.js';
import { Overlay, type Lower } from '../overlay/overlay.js';
import { MNT_DETACH, umountInThread } from '../sys/mount.js';
import { UserError, hasCode } from '../util/errors.js';

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
}

/** What is told while a mount is served. */
export interface ServeEvents {
  /** The mount answers. */
  onReady(): void;
  warn(text: string): void;
}

/** Mounts, and serves until the mount is gone; aborting `end` unmounts. */
export async function serveOverlay(
  mount: OverlayMount,
  { onReady, warn }: ServeEvents,
  end: AbortSignal,
): Promise<void> {
  const { mountpoint, fsname } = mount;
  const dead = await unmountDead(mountpoint, { type: `fuse.${MOUNT_SUBTYPE}` });
  if (dead > 0) warn(`Unmounted ${mountpoint}: the process that had served it is gone`);
  using overlay = openOverlay(mount);
  using device = mountFuse({
    mountpoint,
    fsname,
    subtype: MOUNT_SUBTYPE,
    readOnly: mount.readOnly || mount.upperdir === undefined,
    nodev: !mount.dev,
    nosuid: !mount.suid,
    allowOther: mount.allowOther,
  });
  const onEnd = (): void => void unmount(mountpoint);
  end.addEventListener('abort', onEnd);
  if (end.aborted) onEnd();
  const served = serveAsync(device, new OverlayFileSystem(overlay), OVERLAY_SERVING);
  const isReady = await Promise.race([
    fs.promises.stat(mountpoint).then(() => true),
    served.then(() => false),
  ]);
  if (isReady) onReady();
  await served;
}

function openOverlay({ lowerdirs, upperdir, workdir }: OverlayMount): Overlay {
  const plain = (dir: string): Lower => ({ kind: 'plain', dir });
  const lowers = [...lowerdirs].reverse().map(plain);
  if (upperdir !== undefined) lowers.push(plain(upperdir));
  return Overlay.open({
    lowers,
    layerDirOf: (id) => {
      throw new Error(`Cannot find layer ${id}: want directories only`);
    },
    upperdir:
      upperdir === undefined || workdir === undefined
        ? undefined
        : fs.mkdtempSync(path.join(workdir, 'tsbuild-')),
  });
}

/** Takes the mount away; if files of it are open, from its place at least. */
async function unmount(mountpoint: string): Promise<void> {
  try {
    await umountInThread(mountpoint, 0);
  } catch (error) {
    if (hasCode(error, 'EINVAL')) return;
    if (!hasCode(error, 'EBUSY')) throw new UserError('TSB_SANDBOX', String(error));
    await umountInThread(mountpoint, MNT_DETACH);
  }
}
