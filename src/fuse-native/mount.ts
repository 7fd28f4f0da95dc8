import fs from 'node:fs';

import type { FileSystem } from '../fuse/filesystem.js';
import type { FuseMount } from '../fuse/mount/mount.js';
import type { MountOptions } from '../fuse/protocol/negotiate.js';
import type { FuseLogger } from '../fuse/server/session.js';
import { STDERR_LOGGER } from '../fuse/server/serve.js';
import { hasFailed } from '../sys/device.js';
import { Fd } from '../sys/fd.js';
import { dup } from '../sys/file.js';
import { MNT_DETACH, umount2 } from '../sys/mount.js';
import { UserError, hasCode, messageOf } from '../util/errors.js';
import { attributeOperations } from './path-attributes.js';
import { fileOperations } from './path-files.js';
import { PathHost } from './path-host.js';
import { nameOperations } from './path-names.js';
import { xattrOperations } from './path-xattrs.js';
import { loadFuseNative, mountText, type FuseNative, type PackageMount } from './package.js';
import { sizedXattrs } from './sized-xattrs.js';

/**
 * How to serve a mount through fuse-native; what libfuse2 does not know is left out. Attributes
 * are not cached by default: to the kernel, each name of a file is a file of its own.
 */
export interface FuseNativeOptions extends Pick<
  MountOptions,
  'entryTimeoutSec' | 'attrTimeoutSec' | 'negativeTimeoutSec'
> {
  /** Takes a file system's failures. Default: lines on the standard error stream. */
  readonly logger?: FuseLogger;
}

/** libfuse takes seconds as a double, the kernel what it makes of them. */
const FOREVER_SEC = 1_000_000_000;
const END_POLL_MS = 20;
const DEVICE = '/dev/fuse';
/** The package copies both into buffers of this size, and cuts longer ones. */
const TEXT_BYTES_MAX = 1023;

/** A mount that the package fuse-native serves from this process's event loop. */
export class FuseNativeMount {
  readonly mountpoint: string;
  /** Settles when the mount has gone, and nothing of the file system is called any more. */
  readonly ended: Promise<void>;

  constructor(mountpoint: string, ended: Promise<void>) {
    this.mountpoint = mountpoint;
    this.ended = ended;
  }

  /** Takes the mount out of the name space; {@link ended} follows when no file is open. */
  unmount(): void {
    try {
      umount2(this.mountpoint, MNT_DETACH);
    } catch (error) {
      if (!hasCode(error, 'EINVAL', 'ENOENT')) throw error;
    }
  }
}

/**
 * Mounts a file system through the optional package fuse-native and Debian's libfuse2; what this
 * channel cannot express is in src/fuse-native/README.md. Resolves when it is mounted. Throws
 * TSB_NO_FUSE with what to type where the package or the library is missing.
 */
export async function mountFuseNative(
  mount: FuseMount,
  fileSystem: FileSystem,
  options: FuseNativeOptions = {},
): Promise<FuseNativeMount> {
  const Package = await loadFuseNative();
  const host = new PathHost(fileSystem, options.logger ?? STDERR_LOGGER);
  const text = mountText(mount, timeoutTexts(options));
  assertShort(mount.mountpoint);
  assertShort(text);
  const served = new (sizedXattrs(Package))(
    mount.mountpoint,
    {
      ...attributeOperations(host),
      ...nameOperations(host),
      ...fileOperations(host),
      ...xattrOperations(host),
    },
    { timeout: false, fsname: text },
  );
  const before = new Set(deviceNumbers());
  await start(served, mount.mountpoint);
  const number = deviceNumbers().find((each) => !before.has(each));
  if (number === undefined) throw new Error(`Cannot find the descriptor of '${mount.mountpoint}'`);
  const ended = watchEnd(number).then(() => end(Package, served, host));
  return new FuseNativeMount(mount.mountpoint, ended);
}

function timeoutTexts(options: FuseNativeOptions): string[] {
  const { entryTimeoutSec, attrTimeoutSec, negativeTimeoutSec } = options;
  return [
    `entry_timeout=${entryTimeoutSec ?? FOREVER_SEC}`,
    `attr_timeout=${attrTimeoutSec ?? 0}`,
    `negative_timeout=${negativeTimeoutSec ?? FOREVER_SEC}`,
  ];
}

function assertShort(text: string): void {
  if (Buffer.byteLength(text) <= TEXT_BYTES_MAX) return;
  const found = `'${text.slice(0, 40)}…' is longer than ${TEXT_BYTES_MAX} bytes`;
  throw new UserError('TSB_SANDBOX', `Cannot mount by libfuse: ${found}`);
}

function start(served: PackageMount, mountpoint: string): Promise<void> {
  return new Promise((resolve, reject) => {
    served.mount((error) => {
      if (error === null) resolve();
      else {
        const message = `Cannot mount '${mountpoint}' by libfuse: ${messageOf(error)}`;
        reject(new UserError('TSB_SANDBOX', message, { cause: error }));
      }
    });
  });
}

/** The numbers of this process's descriptors of /dev/fuse: libfuse does not tell its own. */
function deviceNumbers(): number[] {
  return fs
    .readdirSync('/proc/self/fd')
    .filter((name) => {
      try {
        return fs.readlinkSync(`/proc/self/fd/${name}`) === DEVICE;
      } catch (error) {
        // The descriptor of the listing itself.
        if (hasCode(error, 'ENOENT')) return false;
        throw error;
      }
    })
    .map(Number);
}

/** Waits for the end of the connection; libfuse tells nobody. */
async function watchEnd(number: number): Promise<void> {
  using device = dup(Fd.adopt(number));
  while (!hasFailed(device)) await new Promise((resolve) => setTimeout(resolve, END_POLL_MS));
}

async function end(Package: FuseNative, served: PackageMount, host: PathHost): Promise<void> {
  // It would call fusermount for a mount that has gone.
  Package.unmount = (_mountpoint, done) => done(null);
  await new Promise<void>((resolve) => served.unmount(() => resolve()));
  host.end();
}
