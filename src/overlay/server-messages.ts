import { ERROR_CODES, type ErrorCode } from '../util/error-codes.js';
import { UserError, messageOf } from '../util/errors.js';
import { FsError, errnoNumber } from '../sys/errno.js';
import type { StatsSnapshot } from '../fuse/filesystems/stats-filesystem.js';
import type { AccessRecord } from './access-record.js';
import type { CommitResult } from './commit.js';
import type { Lower } from './overlay.js';
import type { Synthetic } from './synthetic.js';

/*
 * What goes between an OverlayServer and its process: one JSON object per line, on a socket.
 * For each mount: mount → mounted, (unmounted when the kernel has let go), then
 * commit → committed or discard → discarded. A request that fails is answered by `failed`.
 */

/** The subtype of the mounts, and so the type in the mount table. */
export const MOUNT_SUBTYPE = 'tsbuild';
export const MOUNT_TYPE: string = `fuse.${MOUNT_SUBTYPE}`;

/**
 * How a server talks to the kernel: by `/dev/fuse`, or, to compare, through libfuse2 by the
 * optional package fuse-native, which cannot express everything.
 */
export type FuseChannel = 'device' | 'libfuse';

/** What to mount. */
export interface MountRequest {
  readonly lowers: readonly Lower[];
  /** The directory of every layer that is needed, by id; or the one that all are in. */
  readonly layerDirs: Readonly<Record<string, string>> | string;
  /** Where the new layer is made; left out: the mount is read-only. */
  readonly upperdir?: string | undefined;
  readonly mountpoint: string;
  readonly synthetic?: readonly Synthetic[] | undefined;
  /** Mounted read-only although there is an `upperdir`. */
  readonly readOnly?: boolean | undefined;
  /** Left out: `device`. */
  readonly channel?: FuseChannel | undefined;
  /** Count and time the kernel's requests: see {@link MountReport}. */
  readonly stats?: boolean | undefined;
  /** Texts that the log of operations must not have, in Base64. */
  readonly hidden?: readonly string[] | undefined;
  /** Record how the lower layers are used: see {@link MountReport}. */
  readonly record?: boolean | undefined;
}

/** What was seen of a mount while it was used; only what was asked for. */
export interface MountReport {
  readonly stats?: StatsSnapshot;
  readonly accesses?: AccessRecord;
}

/** To the process. */
export type Request =
  | { readonly type: 'mount'; readonly mount: MountRequest }
  | { readonly type: 'commit'; readonly mtimeMax?: number | undefined }
  | { readonly type: 'discard' };

/** From the process. */
export type Report =
  | { readonly type: 'mounted' }
  | { readonly type: 'unmounted'; readonly report: MountReport }
  | { readonly type: 'committed'; readonly result: CommitResult }
  | { readonly type: 'discarded' }
  | { readonly type: 'failed'; readonly error: WireError };

/** An error as it is sent. */
export interface WireError {
  readonly code?: string;
  readonly syscall?: string;
  readonly hint?: string;
  readonly message: string;
  readonly stack?: string;
}

/** Takes an error apart. */
export function encodeError(error: unknown): WireError {
  if (error instanceof UserError) {
    const { code, message, hint } = error;
    return { code, message, ...(hint !== undefined && { hint }) };
  }
  if (error instanceof FsError) {
    return { code: error.code, syscall: error.syscall, message: error.message };
  }
  const stack = error instanceof Error && error.stack !== undefined ? { stack: error.stack } : {};
  return { message: messageOf(error), ...stack };
}

/** Makes an error of what was sent. */
export function decodeError({ code, syscall, hint, message, stack }: WireError): Error {
  if (code !== undefined && code in ERROR_CODES) {
    return new UserError(code as ErrorCode, message, hint === undefined ? {} : { hint });
  }
  if (code !== undefined && syscall !== undefined) {
    const error = new FsError(errnoNumber(code), syscall);
    error.message = message;
    return error;
  }
  const error = new Error(message);
  if (stack !== undefined) error.stack = stack;
  return error;
}
