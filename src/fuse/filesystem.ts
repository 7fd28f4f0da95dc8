import type { ByteName } from '../util/byte-name.js';

/** The kernel's name for an inode of a mount. 1 is the root. Handed out by the file system. */
export type NodeId = number;
/** A file handle: a number that the file system gave in `open`, `create` or `opendir`. */
export type Fh = number;
/** A result, or a promise of it: a handler may be synchronous or asynchronous. */
export type Awaitable<T> = T | Promise<T>;

/** Who asks: ids as seen in the user namespace of the mount; pid 0 if outside the pid ns. */
export interface Caller {
  readonly uid: number;
  readonly gid: number;
  readonly pid: number;
  /**
   * Aborted when a signal ends the caller's call (FUSE_INTERRUPT); a handler that rejects then
   * gives EINTR. Only in `serveAsync`: who blocks hears of nothing.
   */
  readonly signal?: AbortSignal;
}

/** Attributes of an inode. Times are seconds (may be negative) and nanoseconds. */
export interface Attr {
  readonly ino: number;
  readonly size: number;
  /** 512-byte units. */
  readonly blocks: number;
  readonly atimeSec: number;
  readonly atimeNsec: number;
  readonly mtimeSec: number;
  readonly mtimeNsec: number;
  readonly ctimeSec: number;
  readonly ctimeNsec: number;
  /** st_mode: type and permission bits. */
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  /** Linux's new_encode_dev form, 32 bits. */
  readonly rdev: number;
  readonly blksize: number;
}

/** A looked-up name. Each one that is returned adds 1 to the node's lookup count. */
export interface Entry {
  readonly nodeid: NodeId;
  readonly attr: Attr;
  /** How long the attributes stay known; 0: the kernel asks. Default: as the mount has it. */
  readonly attrTimeoutSec?: number;
}

/**
 * What SETATTR asks for; absent fields stay. `'now'` is the server's clock. A new uid or gid of
 * anything but a directory must also clear suid, sgid (where group-executable) and
 * `security.capability`: the kernel leaves that to the file system.
 */
export interface SetAttr {
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly size?: number;
  readonly atime?: Time | 'now';
  readonly mtime?: Time | 'now';
  readonly ctime?: Time;
  /** FATTR_KILL_SUIDGID: clear suid, and sgid where group-executable. */
  readonly killSuidgid: boolean;
}

/** A point in time: seconds since 1970, may be negative, and 0 to 999999999 nanoseconds. */
export interface Time {
  readonly sec: number;
  readonly nsec: number;
}

/** Where and how a node is to be made. `mode` has the type bits; umask is already applied. */
export interface MakeNode {
  readonly parent: NodeId;
  readonly name: ByteName;
  readonly mode: number;
  readonly rdev: number;
  /** The caller's umask. Only for file systems with `posixAcl`: theirs is not applied yet. */
  readonly umask?: number;
}

/** Both ends of a rename. `flags` are RENAME_NOREPLACE 1, RENAME_EXCHANGE 2, RENAME_WHITEOUT 4. */
export interface Rename {
  readonly parent: NodeId;
  readonly name: ByteName;
  readonly newParent: NodeId;
  readonly newName: ByteName;
  readonly flags: number;
}

/** A range of a file to read. */
export interface ReadRange {
  readonly nodeid: NodeId;
  readonly fh: Fh;
  readonly offset: number;
}

/** Bytes to write. `data` is valid until the handler's result has settled. */
export interface Write {
  readonly nodeid: NodeId;
  readonly fh: Fh;
  readonly offset: number;
  readonly data: Buffer;
  /**
   * FUSE_WRITE_KILL_SUIDGID: clear suid, and sgid where group-executable. Every write clears
   * `security.capability`, with or without it.
   */
  readonly killSuidgid: boolean;
}

/** A stretch of a file, for `fallocate`; `mode` is fallocate(2)'s. */
export interface Allocate {
  readonly nodeid: NodeId;
  readonly fh: Fh;
  readonly offset: number;
  readonly length: number;
  readonly mode: number;
}

/** copy_file_range(2) between two files of the mount. */
export interface CopyRange {
  readonly nodeidIn: NodeId;
  readonly fhIn: Fh;
  readonly offsetIn: number;
  readonly nodeidOut: NodeId;
  readonly fhOut: Fh;
  readonly offsetOut: number;
  readonly length: number;
}

/** setxattr(2); `flags` are XATTR_CREATE 1, XATTR_REPLACE 2. */
export interface SetXattr {
  readonly nodeid: NodeId;
  readonly name: ByteName;
  readonly value: Buffer;
  readonly flags: number;
  /** FUSE_SETXATTR_ACL_KILL_SGID. */
  readonly killSgid: boolean;
}

/** ioctl(2) on a file or directory, in the form where the command's number has the sizes. */
export interface Ioctl {
  readonly nodeid: NodeId;
  readonly fh: Fh;
  readonly command: number;
  /** What the caller gave, valid until the handler's result has settled; may be empty. */
  readonly argument: Buffer;
  /** How many bytes the caller takes. */
  readonly outSize: number;
  /** FUSE_IOCTL_*. */
  readonly flags: number;
}

/** One name of a directory listing. `type` is d_type (DT_REG 8, DT_DIR 4, …). */
export interface DirEntry {
  readonly name: ByteName;
  readonly ino: number;
  readonly type: number;
  /** Where a later `readdir` goes on behind this entry: greater than 0, stable. */
  readonly nextOffset: number;
}

/**
 * Takes a listing's entries; `add` returns false when the entry did not fit: stop there. For
 * READDIRPLUS (`plus`), give `lookup`: it is called, counting one lookup, only if the entry fits;
 * without it the kernel gets the name alone, as it should for `.` and `..`.
 */
export interface DirSink {
  readonly plus: boolean;
  add(entry: DirEntry, lookup?: () => Entry): boolean;
}

/** statfs(2), in units of `bsize` bytes. */
export interface StatFs {
  readonly blocks: number;
  readonly bfree: number;
  readonly bavail: number;
  readonly files: number;
  readonly ffree: number;
  readonly bsize: number;
  readonly namelen: number;
}

/** What `open` and `create` give besides the handle: FOPEN_* flags. */
export interface Opened {
  readonly fh: Fh;
  readonly openFlags: number;
}

/**
 * A file system, in the kernel's terms. Handlers return the result or throw {@link FsError}
 * (anything else thrown becomes EIO, and is logged). An operation that is left out answers
 * ENOSYS, which the kernel remembers for some (see the table in src/fuse/README.md):
 * leaving out `open` means "no open needed", leaving out `fsync` "always succeeds".
 * No handler is called twice at once unless one has returned a promise.
 */
export interface FileSystem {
  /** Undefined: the name does not exist; the kernel caches that. */
  lookup(parent: NodeId, name: ByteName, caller: Caller): Awaitable<Entry | undefined>;
  forget(nodeid: NodeId, nlookup: number): void;
  getattr(nodeid: NodeId, caller: Caller): Awaitable<Attr>;
  setattr?(nodeid: NodeId, change: SetAttr, caller: Caller): Awaitable<Attr>;
  readlink?(nodeid: NodeId, caller: Caller): Awaitable<Buffer>;
  mknod?(make: MakeNode, caller: Caller): Awaitable<Entry>;
  mkdir?(make: MakeNode, caller: Caller): Awaitable<Entry>;
  symlink?(parent: NodeId, name: ByteName, target: Buffer, caller: Caller): Awaitable<Entry>;
  link?(nodeid: NodeId, parent: NodeId, name: ByteName, caller: Caller): Awaitable<Entry>;
  unlink?(parent: NodeId, name: ByteName, caller: Caller): Awaitable<void>;
  rmdir?(parent: NodeId, name: ByteName, caller: Caller): Awaitable<void>;
  rename?(rename: Rename, caller: Caller): Awaitable<void>;
  open?(nodeid: NodeId, flags: number, caller: Caller): Awaitable<Opened>;
  create?(make: MakeNode, flags: number, caller: Caller): Awaitable<Entry & Opened>;
  tmpfile?(make: MakeNode, flags: number, caller: Caller): Awaitable<Entry & Opened>;
  /** Fills `into` as far as the file goes; returns the number of bytes: fewer means the end. */
  read?(range: ReadRange, into: Buffer, caller: Caller): Awaitable<number>;
  /** Returns the number of bytes written. */
  write?(write: Write, caller: Caller): Awaitable<number>;
  flush?(nodeid: NodeId, fh: Fh, caller: Caller): Awaitable<void>;
  release?(nodeid: NodeId, fh: Fh): Awaitable<void>;
  fsync?(nodeid: NodeId, fh: Fh, datasync: boolean, caller: Caller): Awaitable<void>;
  opendir?(nodeid: NodeId, flags: number, caller: Caller): Awaitable<Opened>;
  /** Lists from `offset` (0: the start; else some entry's `nextOffset`), `.` and `..` included. */
  readdir?(nodeid: NodeId, fh: Fh, offset: number, sink: DirSink): Awaitable<void>;
  releasedir?(nodeid: NodeId, fh: Fh): Awaitable<void>;
  fsyncdir?(nodeid: NodeId, fh: Fh, datasync: boolean, caller: Caller): Awaitable<void>;
  statfs?(nodeid: NodeId): Awaitable<StatFs>;
  setxattr?(change: SetXattr, caller: Caller): Awaitable<void>;
  /** Undefined: no such attribute (ENODATA). */
  getxattr?(nodeid: NodeId, name: ByteName, caller: Caller): Awaitable<Buffer | undefined>;
  listxattr?(nodeid: NodeId, caller: Caller): Awaitable<readonly ByteName[]>;
  removexattr?(nodeid: NodeId, name: ByteName, caller: Caller): Awaitable<void>;
  access?(nodeid: NodeId, mask: number, caller: Caller): Awaitable<void>;
  fallocate?(range: Allocate, caller: Caller): Awaitable<void>;
  /** `whence` is SEEK_DATA 3 or SEEK_HOLE 4. */
  lseek?(nodeid: NodeId, fh: Fh, offset: number, whence: number): Awaitable<number>;
  copyFileRange?(range: CopyRange, caller: Caller): Awaitable<number>;
  /** Returns at most `outSize` bytes: zeros follow. FS_IOC_GETFLAGS and the like come here too. */
  ioctl?(request: Ioctl, caller: Caller): Awaitable<Buffer>;
  /** The mount has gone; nothing is called any more. */
  destroy?(): void;
}
