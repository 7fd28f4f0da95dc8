/**
 * The kernel's FUSE interface: numbers and struct layouts, verbatim.
 * Source: linux/include/uapi/linux/fuse.h, version 7.45. Little-endian machines only.
 */

export const FUSE_KERNEL_VERSION = 7;
export const FUSE_KERNEL_MINOR_VERSION = 45;
/** The oldest minor version spoken: Linux 5.4. */
export const FUSE_MINOR_MIN = 31;
export const FUSE_ROOT_ID = 1;

/** enum fuse_opcode. */
export const OPCODE = {
  FUSE_LOOKUP: 1,
  FUSE_FORGET: 2,
  FUSE_GETATTR: 3,
  FUSE_SETATTR: 4,
  FUSE_READLINK: 5,
  FUSE_SYMLINK: 6,
  FUSE_MKNOD: 8,
  FUSE_MKDIR: 9,
  FUSE_UNLINK: 10,
  FUSE_RMDIR: 11,
  FUSE_RENAME: 12,
  FUSE_LINK: 13,
  FUSE_OPEN: 14,
  FUSE_READ: 15,
  FUSE_WRITE: 16,
  FUSE_STATFS: 17,
  FUSE_RELEASE: 18,
  FUSE_FSYNC: 20,
  FUSE_SETXATTR: 21,
  FUSE_GETXATTR: 22,
  FUSE_LISTXATTR: 23,
  FUSE_REMOVEXATTR: 24,
  FUSE_FLUSH: 25,
  FUSE_INIT: 26,
  FUSE_OPENDIR: 27,
  FUSE_READDIR: 28,
  FUSE_RELEASEDIR: 29,
  FUSE_FSYNCDIR: 30,
  FUSE_GETLK: 31,
  FUSE_SETLK: 32,
  FUSE_SETLKW: 33,
  FUSE_ACCESS: 34,
  FUSE_CREATE: 35,
  FUSE_INTERRUPT: 36,
  FUSE_BMAP: 37,
  FUSE_DESTROY: 38,
  FUSE_IOCTL: 39,
  FUSE_POLL: 40,
  FUSE_NOTIFY_REPLY: 41,
  FUSE_BATCH_FORGET: 42,
  FUSE_FALLOCATE: 43,
  FUSE_READDIRPLUS: 44,
  FUSE_RENAME2: 45,
  FUSE_LSEEK: 46,
  FUSE_COPY_FILE_RANGE: 47,
  FUSE_SYNCFS: 50,
  FUSE_TMPFILE: 51,
  FUSE_STATX: 52,
  FUSE_COPY_FILE_RANGE_64: 53,
} as const;

/** The kernel's name of an opcode, for messages. */
export function opcodeName(opcode: number): string {
  const found = Object.entries(OPCODE).find(([, number]) => number === opcode);
  return found === undefined ? `FUSE_${opcode}` : found[0];
}

// Flags of INIT, low word.
export const FUSE_ASYNC_READ: number = 1 << 0;
export const FUSE_BIG_WRITES: number = 1 << 5;
export const FUSE_DONT_MASK: number = 1 << 6;
export const FUSE_DO_READDIRPLUS: number = 1 << 13;
export const FUSE_READDIRPLUS_AUTO: number = 1 << 14;
export const FUSE_ASYNC_DIO: number = 1 << 15;
export const FUSE_WRITEBACK_CACHE: number = 1 << 16;
export const FUSE_PARALLEL_DIROPS: number = 1 << 18;
export const FUSE_POSIX_ACL: number = 1 << 20;
export const FUSE_ABORT_ERROR: number = 1 << 21;
export const FUSE_MAX_PAGES: number = 1 << 22;
export const FUSE_CACHE_SYMLINKS: number = 1 << 23;
export const FUSE_EXPLICIT_INVAL_DATA: number = 1 << 25;
export const FUSE_HANDLE_KILLPRIV_V2: number = 1 << 28;
export const FUSE_SETXATTR_EXT: number = 1 << 29;
export const FUSE_INIT_EXT: number = 1 << 30;
// Flags of INIT, high word (flags2): the header's bit number less 32.
export const FUSE_DIRECT_IO_ALLOW_MMAP: number = 1 << 4;
export const FUSE_NO_EXPORT_SUPPORT: number = 1 << 6;

// setattr_in.valid.
export const FATTR_MODE = 0x1;
export const FATTR_UID = 0x2;
export const FATTR_GID = 0x4;
export const FATTR_SIZE = 0x8;
export const FATTR_ATIME = 0x10;
export const FATTR_MTIME = 0x20;
export const FATTR_ATIME_NOW = 0x80;
export const FATTR_MTIME_NOW = 0x100;
export const FATTR_CTIME = 0x400;
export const FATTR_KILL_SUIDGID = 0x800;

// open_out.open_flags. Never the O_* flags of a request.
export const FOPEN_DIRECT_IO = 1;
export const FOPEN_KEEP_CACHE = 2;
export const FOPEN_NONSEEKABLE = 4;
export const FOPEN_CACHE_DIR = 8;
export const FOPEN_STREAM = 16;
export const FOPEN_NOFLUSH = 32;
export const FOPEN_PARALLEL_DIRECT_WRITES = 64;

export const FUSE_WRITE_KILL_SUIDGID = 4;
export const FUSE_SETXATTR_ACL_KILL_SGID = 1;
export const FUSE_FSYNC_FDATASYNC = 1;

// ioctl_in.flags. A file system is only asked in the restricted form: sizes are the command's.
export const FUSE_IOCTL_UNRESTRICTED: number = 1 << 1;
export const FUSE_IOCTL_DIR: number = 1 << 4;

/** struct fuse_in_header: u32 len opcode, u64 unique nodeid, u32 uid gid pid, u16 total_extlen. */
export const IN_HEADER = {
  bytes: 40,
  len: 0,
  opcode: 4,
  unique: 8,
  nodeid: 16,
  uid: 24,
  gid: 28,
  pid: 32,
  totalExtlen: 36,
} as const;

/** struct fuse_out_header: u32 len, i32 error (negative errno), u64 unique. */
export const OUT_HEADER = { bytes: 16, len: 0, error: 4, unique: 8 } as const;

/** enum fuse_notify_code. */
export const FUSE_NOTIFY_INVAL_INODE = 2;

/** struct fuse_dirent: u64 ino off, u32 namelen type, then the name, padded to 8 bytes. */
export const DIRENT_BYTES = 24;
/** struct fuse_entry_out: u64 nodeid generation, both validities, fuse_attr. */
export const ENTRY_OUT_BYTES = 128;

/** What a request's arguments may need beside max_write: the kernel's own bound. */
export const FUSE_BUFFER_HEADER_BYTES = 4096;
/** FUSE_MIN_READ_BUFFER. */
export const FUSE_MIN_READ_BUFFER = 8192;
export const PAGE_BYTES = 4096;
/** max_pages of a kernel that does not offer FUSE_MAX_PAGES. */
export const FUSE_DEFAULT_MAX_PAGES = 32;
