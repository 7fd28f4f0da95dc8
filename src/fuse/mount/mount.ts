import { O_RDWR } from '../../sys/constants.js';
import type { Fd } from '../../sys/fd.js';
import { openat } from '../../sys/file.js';
import {
  MNT_DETACH,
  MS_NOATIME,
  MS_NODEV,
  MS_NOEXEC,
  MS_NOSUID,
  MS_RDONLY,
  mount,
  umount2,
} from '../../sys/mount.js';
import { UserError, hasCode, messageOf } from '../../util/errors.js';

const DEVICE = '/dev/fuse';
const ROOT_MODE = '40000';

/** What is mounted where. Flags default to: all users, writable, no devices, suid obeyed. */
export interface FuseMount {
  readonly mountpoint: string;
  /** The source in the mount table: any text. */
  readonly fsname: string;
  /** The type in the mount table becomes `fuse.<subtype>`. */
  readonly subtype?: string;
  /** Others than the mounting user may enter. Default true. */
  readonly allowOther?: boolean;
  readonly readOnly?: boolean;
  /** Device nodes cannot be opened. Default true. */
  readonly nodev?: boolean;
  /** Set-id bits and file capabilities are not obeyed. Default false. */
  readonly nosuid?: boolean;
  /** Programs cannot be run. Default false. */
  readonly noexec?: boolean;
  /** Reading leaves access times alone. Default false. */
  readonly noatime?: boolean;
}

/** A mount's end in user space. Closing it ends the mount: every access fails from then on. */
export class FuseDevice implements Disposable {
  readonly fd: Fd;
  readonly mountpoint: string;

  constructor(fd: Fd, mountpoint: string) {
    this.fd = fd;
    this.mountpoint = mountpoint;
  }

  /**
   * Takes the mount out of the name space (it lives on while files of it are open); the server
   * then reads ENODEV. A mount that is gone already is no error.
   */
  unmount(): void {
    try {
      umount2(this.mountpoint, MNT_DETACH);
    } catch (error) {
      if (!hasCode(error, 'EINVAL', 'ENOENT')) throw error;
    }
  }

  [Symbol.dispose](): void {
    this.fd[Symbol.dispose]();
  }
}

/**
 * Mounts a file system that is yet to be served: returns at once, and whoever enters the mount
 * waits until `serve` answers. Needs CAP_SYS_ADMIN in the current user namespace. Permissions are
 * checked by the kernel (default_permissions). Throws TSB_NO_FUSE where the device is missing or
 * forbidden, TSB_USAGE if `mountpoint` is no directory. The caller disposes the device.
 */
export function mountFuse(options: FuseMount): FuseDevice {
  const { mountpoint, fsname, subtype } = options;
  const fd = openDevice();
  try {
    mount({
      source: fsname,
      target: mountpoint,
      type: subtype === undefined ? 'fuse' : `fuse.${subtype}`,
      flags: mountFlags(options),
      data: mountData(fd, options),
    });
    return new FuseDevice(fd, mountpoint);
  } catch (error) {
    fd[Symbol.dispose]();
    throw mountError(error, mountpoint);
  }
}

function mountFlags({ readOnly, nodev, nosuid, noexec, noatime }: FuseMount): number {
  return (
    (noexec === true ? MS_NOEXEC : 0) |
    (noatime === true ? MS_NOATIME : 0) |
    (readOnly === true ? MS_RDONLY : 0) |
    (nodev === false ? 0 : MS_NODEV) |
    (nosuid === true ? MS_NOSUID : 0)
  );
}

function mountData(fd: Fd, { allowOther }: FuseMount): string {
  const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
  const ids = `user_id=${uid},group_id=${gid}`;
  const others = allowOther === false ? '' : ',allow_other';
  return `fd=${fd.raw},rootmode=${ROOT_MODE},${ids},default_permissions${others}`;
}

function openDevice(): Fd {
  try {
    return openat(undefined, DEVICE, O_RDWR);
  } catch (error) {
    if (hasCode(error, 'EACCES', 'EPERM')) {
      throw noFuse(`Cannot open '${DEVICE}': permission denied`, `sudo chmod 666 ${DEVICE}`, error);
    }
    if (hasCode(error, 'ENOENT', 'ENXIO', 'ENODEV')) {
      const hint = 'sudo modprobe fuse; in a container: --device /dev/fuse';
      throw noFuse(`Cannot open '${DEVICE}': there is no such device`, hint, error);
    }
    throw error;
  }
}

function mountError(error: unknown, mountpoint: string): unknown {
  if (hasCode(error, 'EPERM')) {
    const hint =
      process.getuid?.() === 0
        ? 'In a container: allow mount(2), --security-opt seccomp=unconfined'
        : 'As an ordinary user: unshare --user --map-root-user --mount COMMAND';
    return noFuse(`Cannot mount '${mountpoint}': the kernel does not allow it`, hint, error);
  }
  if (hasCode(error, 'ENODEV')) {
    const hint = 'sudo modprobe fuse';
    return noFuse(`Cannot mount '${mountpoint}': the kernel has no FUSE`, hint, error);
  }
  if (hasCode(error, 'ENOENT', 'ENOTDIR')) {
    const found = hasCode(error, 'ENOENT') ? 'there is no such directory' : 'it is not a directory';
    const message = `Cannot mount on '${mountpoint}': ${found}`;
    return new UserError('TSB_USAGE', message, { hint: `mkdir -p ${mountpoint}`, cause: error });
  }
  const text = `Cannot mount '${mountpoint}': ${messageOf(error)}`;
  return new UserError('TSB_SANDBOX', text, { cause: error });
}

function noFuse(message: string, hint: string, cause: unknown): UserError {
  return new UserError('TSB_NO_FUSE', message, { hint, cause });
}
