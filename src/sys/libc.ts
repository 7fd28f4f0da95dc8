import koffi from 'koffi';

import { FsError } from './errno.js';

/**
 * The functions of libc, bound once. Arguments and results are those of the man pages; a pointer
 * is a Buffer, a NUL-terminated string or null. Wrappers with types, names and errors are in the
 * other files of this folder: nothing outside it calls these.
 */
type Arg = number | bigint | string | Uint8Array | null;
type Call = ((...args: Arg[]) => number) & {
  /** The call in a thread; `done` runs on this one, and finds the call's errno. */
  readonly async: (...args: [...Arg[], (error: Error | null, result: number) => void]) => void;
};

const library = koffi.load(null);

/** C prototypes, for koffi. The sys* ones are the variadic syscall(2), one per shape. */
const PROTOTYPES = {
  close: 'int close(int)',
  openat: 'int openat(int, const char *, int, uint32_t)',
  read: 'int64_t read(int, void *, size_t)',
  write: 'int64_t write(int, void *, size_t)',
  pread: 'int64_t pread(int, void *, size_t, int64_t)',
  pwrite: 'int64_t pwrite(int, void *, size_t, int64_t)',
  lseek: 'int64_t lseek(int, int64_t, int)',
  ftruncate: 'int ftruncate(int, int64_t)',
  fallocate: 'int fallocate(int, int, int64_t, int64_t)',
  copyFileRange: 'int64_t copy_file_range(int, void *, int, void *, size_t, uint32_t)',
  ioctl: 'int ioctl(int, int64_t, int64_t)',
  fcntl: 'int fcntl(int, int, int64_t)',
  fsync: 'int fsync(int)',
  fdatasync: 'int fdatasync(int)',
  syncfs: 'int syncfs(int)',
  syncFileRange: 'int sync_file_range(int, int64_t, int64_t, uint32_t)',
  flock: 'int flock(int, int)',
  statx: 'int statx(int, const char *, int, uint32_t, void *)',
  statfs: 'int statfs(const char *, void *)',
  mkdirat: 'int mkdirat(int, const char *, uint32_t)',
  mknodat: 'int mknodat(int, const char *, uint32_t, uint64_t)',
  symlinkat: 'int symlinkat(const char *, int, const char *)',
  readlinkat: 'int64_t readlinkat(int, const char *, void *, size_t)',
  linkat: 'int linkat(int, const char *, int, const char *, int)',
  unlinkat: 'int unlinkat(int, const char *, int)',
  fchownat: 'int fchownat(int, const char *, uint32_t, uint32_t, int)',
  fchmodat: 'int fchmodat(int, const char *, uint32_t, int)',
  fchmod: 'int fchmod(int, uint32_t)',
  utimensat: 'int utimensat(int, const char *, void *, int)',
  umask: 'uint32_t umask(uint32_t)',
  clockGettime: 'int clock_gettime(int, void *)',
  listxattr: 'int64_t listxattr(const char *, void *, size_t)',
  llistxattr: 'int64_t llistxattr(const char *, void *, size_t)',
  flistxattr: 'int64_t flistxattr(int, void *, size_t)',
  getxattr: 'int64_t getxattr(const char *, const char *, void *, size_t)',
  lgetxattr: 'int64_t lgetxattr(const char *, const char *, void *, size_t)',
  fgetxattr: 'int64_t fgetxattr(int, const char *, void *, size_t)',
  setxattr: 'int setxattr(const char *, const char *, void *, size_t, int)',
  lsetxattr: 'int lsetxattr(const char *, const char *, void *, size_t, int)',
  fsetxattr: 'int fsetxattr(int, const char *, void *, size_t, int)',
  removexattr: 'int removexattr(const char *, const char *)',
  lremovexattr: 'int lremovexattr(const char *, const char *)',
  fremovexattr: 'int fremovexattr(int, const char *)',
  mount: 'int mount(const char *, const char *, const char *, uint64_t, const char *)',
  umount2: 'int umount2(const char *, int)',
  chroot: 'int chroot(const char *)',
  chdir: 'int chdir(const char *)',
  prctl: 'int prctl(int, int64_t, int64_t, int64_t, int64_t)',
  execve: 'int execve(const char *, void *, void *)',
  signal: 'int64_t signal(int, int64_t)',
  sigprocmask: 'int sigprocmask(int, void *, void *)',
  kill: 'int kill(int, int)',
  getppid: 'int getppid()',
  setsid: 'int setsid()',
  poll: 'int poll(void *, int64_t, int)',
  waitid: 'int waitid(int, int, void *, int)',
  unshare: 'int unshare(int)',
  pipe2: 'int pipe2(void *, int)',
  socket: 'int socket(int, int, int)',
  ioctlPointer: 'int ioctl(int, int64_t, void *)',
  prlimit: 'int prlimit(int, int, void *, void *)',
  sethostname: 'int sethostname(void *, size_t)',
  setgroups: 'int setgroups(size_t, void *)',
  setresuid: 'int setresuid(uint32_t, uint32_t, uint32_t)',
  setresgid: 'int setresgid(uint32_t, uint32_t, uint32_t)',
  sysOpenat2: 'int64_t syscall(int64_t, int, const char *, void *, size_t)',
  sysGetdents64: 'int64_t syscall(int64_t, int, void *, size_t)',
  sysRenameat2: 'int64_t syscall(int64_t, int, const char *, int, const char *, uint32_t)',
  sysPivotRoot: 'int64_t syscall(int64_t, const char *, const char *)',
  sysMountSetattr: 'int64_t syscall(int64_t, int, const char *, uint32_t, void *, size_t)',
  sysOpenTree: 'int64_t syscall(int64_t, int, const char *, uint32_t)',
  sysMoveMount: 'int64_t syscall(int64_t, int, const char *, int, const char *, uint32_t)',
  sysCloseRange: 'int64_t syscall(int64_t, uint32_t, uint32_t, uint32_t)',
  sysCapability: 'int64_t syscall(int64_t, void *, void *)',
  sysKeyctl: 'int64_t syscall(int64_t, int, void *)',
  sysSetIds: 'int64_t syscall(int64_t, uint32_t, uint32_t, uint32_t)',
  sysSetgroups: 'int64_t syscall(int64_t, int64_t, void *)',
} as const;

/** The calls by name. Results are numbers: no call here returns more than 53 bits. */
export const libc: Readonly<Record<keyof typeof PROTOTYPES, Call>> = bindAll();

function bindAll(): Record<keyof typeof PROTOTYPES, Call> {
  const entries = Object.entries(PROTOTYPES).map(([name, prototype]) => [
    name,
    library.func(prototype) as Call,
  ]);
  return Object.fromEntries(entries) as Record<keyof typeof PROTOTYPES, Call>;
}

/** Numbers of syscall(2). Source: asm/unistd_64.h, asm-generic/unistd.h. */
const SYSCALLS = {
  x64: {
    pivot_root: 155,
    getdents64: 217,
    renameat2: 316,
    capget: 125,
    capset: 126,
    setresuid: 117,
    setresgid: 119,
    setgroups: 116,
    keyctl: 250,
  },
  arm64: {
    pivot_root: 41,
    getdents64: 61,
    renameat2: 276,
    capget: 90,
    capset: 91,
    setresuid: 147,
    setresgid: 149,
    setgroups: 159,
    keyctl: 219,
  },
} as const;

/** Calls newer than 2019 have one number everywhere. */
const SYSCALLS_COMMON = {
  open_tree: 428,
  move_mount: 429,
  close_range: 436,
  openat2: 437,
  mount_setattr: 442,
} as const;

function syscallTable(): Record<keyof typeof SYSCALLS.x64 | keyof typeof SYSCALLS_COMMON, number> {
  const { arch } = process;
  if (arch !== 'x64' && arch !== 'arm64') {
    throw new Error(`Cannot make system calls on ${arch}: want x64 or arm64`);
  }
  return { ...SYSCALLS[arch], ...SYSCALLS_COMMON };
}

/** Kernel call numbers of this machine, by the kernel's name. */
export const SYS: Readonly<ReturnType<typeof syscallTable>> = syscallTable();

/** The positive errno of the last call that returned -1. */
export function lastErrno(): number {
  return koffi.errno();
}

/** A path: a string is text, encoded as UTF-8; a Buffer is bytes. */
export type PathLike = string | Buffer;

/** A path as an argument of a call. A NUL inside is refused with EINVAL. */
export function pathArg(path: PathLike, syscall: string): string | Buffer {
  if (path.includes('\0')) {
    throw new FsError('EINVAL', syscall, displayPath(path));
  }
  if (typeof path === 'string') return path;
  const terminated = Buffer.allocUnsafe(path.length + 1);
  path.copy(terminated);
  terminated[path.length] = 0;
  return terminated;
}

/** Returns a call's result, or throws its errno. */
export function check(result: number, syscall: string, path?: PathLike): number {
  if (result < 0) throw failure(syscall, path);
  return result;
}

/** The error of the last call. */
export function failure(syscall: string, path?: PathLike): FsError {
  return new FsError(koffi.errno(), syscall, path === undefined ? undefined : displayPath(path));
}

/** The address of a buffer's first byte, for a struct that holds pointers. Keep the buffer alive. */
export function addressOf(buffer: Uint8Array): bigint {
  return koffi.address(buffer);
}

function displayPath(path: PathLike): string {
  return typeof path === 'string' ? path : path.toString('utf8');
}
