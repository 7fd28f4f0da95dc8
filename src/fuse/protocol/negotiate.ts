import {
  FUSE_ABORT_ERROR,
  FUSE_ASYNC_READ,
  FUSE_BIG_WRITES,
  FUSE_CACHE_SYMLINKS,
  FUSE_DEFAULT_MAX_PAGES,
  FUSE_DIRECT_IO_ALLOW_MMAP,
  FUSE_DONT_MASK,
  FUSE_DO_READDIRPLUS,
  FUSE_EXPLICIT_INVAL_DATA,
  FUSE_HANDLE_KILLPRIV_V2,
  FUSE_INIT_EXT,
  FUSE_KERNEL_MINOR_VERSION,
  FUSE_KERNEL_VERSION,
  FUSE_MAX_PAGES,
  FUSE_NO_EXPORT_SUPPORT,
  FUSE_PARALLEL_DIROPS,
  FUSE_POSIX_ACL,
  FUSE_READDIRPLUS_AUTO,
  FUSE_SETXATTR_EXT,
  FUSE_WRITEBACK_CACHE,
  PAGE_BYTES,
} from './abi.js';
import type { InitOut } from './reply.js';
import type { InitIn } from './request.js';

/** What the file system wants of the kernel; every choice is settled at INIT. */
export interface MountOptions {
  /** The kernel gathers writes, and owns size and mtime of open files. Default true. */
  readonly writebackCache?: boolean;
  /** The file system keeps POSIX ACLs and applies the umask itself. Default false. */
  readonly posixAcl?: boolean;
  /** Longest WRITE and READ. Default 1 MiB; rounded down to pages. */
  readonly maxWriteBytes?: number;
  /** How long a name stays known. Default: for ever, as nobody else changes the file system. */
  readonly entryTimeoutSec?: number;
  readonly attrTimeoutSec?: number;
  /** How long a missing name stays known to be missing; 0: not at all. */
  readonly negativeTimeoutSec?: number;
}

const MAX_WRITE_BYTES = 1 << 20;
const MAX_BACKGROUND = 64;
const CONGESTION_THRESHOLD = 48;

/**
 * Not FUSE_ASYNC_DIO: after an asynchronous direct write the kernel keeps pages that were read
 * while it was under way.
 */
const WANTED =
  FUSE_ASYNC_READ |
  FUSE_BIG_WRITES |
  FUSE_DO_READDIRPLUS |
  FUSE_READDIRPLUS_AUTO |
  FUSE_PARALLEL_DIROPS |
  FUSE_ABORT_ERROR |
  FUSE_MAX_PAGES |
  FUSE_CACHE_SYMLINKS |
  FUSE_EXPLICIT_INVAL_DATA |
  FUSE_HANDLE_KILLPRIV_V2 |
  FUSE_SETXATTR_EXT |
  FUSE_INIT_EXT;
const WANTED2 = FUSE_DIRECT_IO_ALLOW_MMAP | FUSE_NO_EXPORT_SUPPORT;

/** The longest payload of a WRITE or READ, in whole pages, before the kernel has its say. */
export function maxTransferBytes(options: MountOptions): number {
  const wanted = options.maxWriteBytes ?? MAX_WRITE_BYTES;
  return Math.max(PAGE_BYTES, Math.min(wanted, MAX_WRITE_BYTES) & ~(PAGE_BYTES - 1));
}

/** The answer to INIT: of what is wanted, only what the kernel offers. */
export function negotiate(init: InitIn, options: MountOptions): InitOut {
  const wanted =
    WANTED |
    (options.writebackCache === false ? 0 : FUSE_WRITEBACK_CACHE) |
    (options.posixAcl === true ? FUSE_POSIX_ACL | FUSE_DONT_MASK : 0);
  const flags = init.flags & wanted;
  const maxBytes = maxTransferBytes(options);
  const pages = (flags & FUSE_MAX_PAGES) === 0 ? FUSE_DEFAULT_MAX_PAGES : maxBytes / PAGE_BYTES;
  return {
    major: FUSE_KERNEL_VERSION,
    minor: Math.min(init.minor, FUSE_KERNEL_MINOR_VERSION),
    maxReadahead: init.maxReadahead,
    flags: flags >>> 0,
    flags2: (flags & FUSE_INIT_EXT) === 0 ? 0 : (init.flags2 & WANTED2) >>> 0,
    maxBackground: MAX_BACKGROUND,
    congestionThreshold: CONGESTION_THRESHOLD,
    maxWrite: Math.min(maxBytes, pages * PAGE_BYTES),
    maxPages: pages,
  };
}
