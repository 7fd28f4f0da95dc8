import { writeSync } from 'node:fs';
import { inspect } from 'node:util';

import { FsError, errnoNumber } from '../../sys/errno.js';
import { fstatat } from '../../sys/stat.js';
import type { Channel } from './channel.js';
import { DevFuseChannel } from './dev-fuse-channel.js';
import type { Caller, FileSystem, NodeId } from '../filesystem.js';
import { FlushingChannel } from './flushing-channel.js';
import { LseekGate } from './lseek-gate.js';
import type { FuseDevice } from '../mount/mount.js';
import type { MountOptions } from '../protocol/negotiate.js';
import type { FuseLogger, Slot } from './session.js';
import { Session } from './session.js';

/** How to serve a mount. */
export interface ServeOptions extends MountOptions {
  /** Takes a file system's failures. Default: lines on the standard error stream. */
  readonly logger?: FuseLogger;
  /** See {@link DevFuseChannel}. Default 0. */
  readonly spinMicros?: number;
}

const EINVAL = -errnoNumber('EINVAL');
/** Answers that mean: nobody waits for the reply any more. */
const NOBODY_WAITS: readonly number[] = ['ENOENT', 'ENODEV', 'ECONNABORTED', 'ENOTCONN'].map(
  (name) => -errnoNumber(name),
);

/** The default logger: lines on the standard error stream. */
export const STDERR_LOGGER: FuseLogger = {
  error: (details, message) => void writeSync(2, `fuse: ${message}: ${inspect(details)}\n`),
};

/**
 * Serves a mounted device until it is unmounted. Blocks the whole process: neither timers nor
 * signal handlers run, so give it a process of its own, and never touch the mount from it. A
 * handler that returns a promise gets its caller EIO: see `serveAsync`.
 */
export function serve(
  device: FuseDevice,
  fileSystem: FileSystem,
  options: ServeOptions = {},
): void {
  const channel = new DevFuseChannel(device.fd, options);
  if (!needsFlush(fileSystem, options)) {
    serveChannel(channel, fileSystem, options);
    return;
  }
  using gate = new LseekGate(deviceOf(device));
  const inoOf = (nodeid: NodeId): number | undefined => {
    try {
      const attr = fileSystem.getattr(nodeid, SERVER);
      return attr instanceof Promise ? undefined : attr.ino;
    } catch {
      // Whatever it is: the LSEEK is refused, the server goes on.
      return undefined;
    }
  };
  serveChannel(new FlushingChannel({ channel, gate, inoOf }), fileSystem, options);
}

/** Who asks when the server itself does. */
export const SERVER: Caller = { uid: 0, gid: 0, pid: 0 };

/** Whether LSEEK has to wait for dirty pages. */
export function needsFlush(fileSystem: FileSystem, { writebackCache }: ServeOptions): boolean {
  return fileSystem.lseek !== undefined && writebackCache !== false;
}

/** The mount's `dev` as in `Statx`, without a request to its server: that is this process. */
export function deviceOf({ mountpoint }: FuseDevice): string | undefined {
  return fstatat(undefined, mountpoint, { follow: true, cached: true })?.dev;
}

/** Like {@link serve}, on any channel. */
export function serveChannel(
  channel: Channel,
  fileSystem: FileSystem,
  options: ServeOptions = {},
): void {
  const session = new Session(fileSystem, options, options.logger ?? STDERR_LOGGER);
  const slot = session.newSlot();
  try {
    for (;;) {
      const length = channel.receive(slot.request);
      if (length === undefined) return;
      const outcome = session.handle(slot, length);
      if (outcome === 'silent') continue;
      if (outcome !== 'reply')
        session.abandon(slot, 'a handler returned a promise: use serveAsync');
      send(session, slot, (reply, bytes) => channel.send(reply, bytes));
    }
  } finally {
    fileSystem.destroy?.();
  }
}

/** Sends the slot's notice and its reply, once; a reply that the kernel finds malformed is replaced by EIO. */
export function send(
  session: Session,
  slot: Slot,
  write: (reply: Buffer, length: number) => number,
): void {
  // ENOENT: the kernel has forgotten the node, and keeps nothing of it.
  if (slot.notice !== undefined) write(slot.notice, slot.notice.length);
  let status = write(slot.reply.buffer, slot.reply.length);
  if (status === EINVAL) {
    session.abandon(slot, 'the kernel refused a reply');
    status = write(slot.reply.buffer, slot.reply.length);
  }
  if (status >= 0 || NOBODY_WAITS.includes(status)) return;
  throw new FsError(-status, 'write', '/dev/fuse');
}
