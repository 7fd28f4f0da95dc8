import fs from 'node:fs';

import type { Time } from '../../fuse/filesystem.js';
import {
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOFOLLOW,
  O_PATH,
  O_RDONLY,
  O_RDWR,
  O_TMPFILE,
  O_TRUNC,
  SEEK_SET,
  S_IFMT,
  S_IFREG,
} from '../../sys/constants.js';
import {
  fchmod,
  fchmodat,
  fchownat,
  linkat,
  mkdirat,
  mknodat,
  readDir,
  readlinkat,
  renameat2,
  symlinkat,
  unlinkat,
  utimensat,
} from '../../sys/directory.js';
import { FsError } from '../../sys/errno.js';
import type { Fd } from '../../sys/fd.js';
import {
  copyFileRange,
  fallocate,
  ftruncate,
  lseek,
  openat,
  preadFull,
  pwrite,
} from '../../sys/file.js';
import { fstat, fstatat, type Statx } from '../../sys/stat.js';
import { getxattr, listxattr, removexattr, setxattr } from '../../sys/xattr.js';
import { byteName } from '../../util/byte-name.js';
import {
  SLOTS,
  patternOf,
  xattrValue,
  type Handlers,
  type ModelStat,
  type OperationFields,
  type Outcome,
  type Subject,
} from './operations.js';

function fail(code: string): never {
  throw new FsError(code, 'directory');
}

/** A directory of the machine, by system calls: the working directory. */
export class DirectorySubject implements Subject {
  readonly #slots: (Fd | undefined)[] = new Array<undefined>(SLOTS).fill(undefined);
  readonly #dropsCaches: boolean;

  /** `dropsCaches`: "forget" makes the kernel of the whole machine forget. */
  constructor({ dropsCaches = false }: { readonly dropsCaches?: boolean } = {}) {
    this.#dropsCaches = dropsCaches;
  }

  #slot(slot: number): Fd {
    return this.#slots[slot] ?? fail('EBADF');
  }

  #close(slot: number): void {
    this.#slots[slot]?.close();
    this.#slots[slot] = undefined;
  }

  #open(slot: number, path: Buffer, flags: number, mode = 0): Outcome {
    this.#close(slot);
    this.#slots[slot] = openat(undefined, path, flags, mode);
    return {};
  }

  #stat(path: Buffer): Statx {
    const stat = fstatat(undefined, path);
    if (stat !== undefined) return stat;
    // Says which of two errors it was.
    using fd = openat(undefined, path, O_PATH | O_NOFOLLOW);
    return fstat(fd);
  }

  #write({ slot, offset, length, seed }: OperationFields['write']): Outcome {
    pwrite(this.#slot(slot), patternOf(seed, length), offset);
    return { count: length };
  }

  #copy(op: OperationFields['copy']): Outcome {
    const [from, to] = [this.#slot(op.slot), this.#slot(op.toSlot)];
    const end = Math.min(op.length, fstat(from).size - op.offset);
    let count = 0;
    while (count < end) {
      const offsets = { fromOffset: op.offset + count, toOffset: op.toOffset + count };
      const copied = copyFileRange({ from, to, ...offsets, length: end - count });
      if (copied === 0) break;
      count += copied;
    }
    return { count };
  }

  #entries(fd: Fd): Outcome {
    lseek(fd, 0, SEEK_SET);
    const entries = readDir(fd).map(({ name, ino, type }) => ({ name, ino, type: type << 12 }));
    return { entries };
  }

  #readFile(path: Buffer): Outcome {
    const { mode, size } = this.#stat(path);
    if ((mode & S_IFMT) !== S_IFREG) fail('EINVAL');
    using fd = openat(undefined, path, O_RDONLY | O_NOFOLLOW);
    const bytes = Buffer.alloc(size + 1);
    return { bytes: bytes.subarray(0, preadFull(fd, bytes, 0)) };
  }

  #utimens(fd: Fd | undefined, path: Buffer, op: { atime?: Time; mtime?: Time }): Outcome {
    const { atime, mtime } = op;
    utimensat(fd, path, { ...(atime && { atime }), ...(mtime && { mtime }) });
    return {};
  }

  readonly handlers: Handlers = {
    mkdir: ({ path, mode }) => done(() => mkdirat(undefined, bytes(path), mode)),
    create: ({ path, mode, slot, exclusive }) => {
      const flags = O_RDWR | O_CREAT | O_NOFOLLOW | (exclusive ? O_EXCL : 0);
      return this.#open(slot, bytes(path), flags, mode);
    },
    open: ({ path, slot, truncate }) => {
      return this.#open(slot, bytes(path), O_RDWR | O_NOFOLLOW | (truncate ? O_TRUNC : 0));
    },
    opendir: ({ path, slot }) => {
      return this.#open(slot, bytes(path), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    },
    tmpfile: ({ path, mode, slot }) => this.#open(slot, bytes(path), O_RDWR | O_TMPFILE, mode),
    close: ({ slot }) => {
      this.#slot(slot);
      this.#close(slot);
      return {};
    },
    write: (op) => this.#write(op),
    read: ({ slot, offset, length }) => {
      const into = Buffer.alloc(length);
      return { bytes: into.subarray(0, preadFull(this.#slot(slot), into, offset)) };
    },
    ftruncate: ({ slot, size }) => done(() => ftruncate(this.#slot(slot), size)),
    truncate: ({ path, size }) => done(() => truncate(bytes(path), size)),
    unlink: ({ path }) => done(() => unlinkat(undefined, bytes(path))),
    rmdir: ({ path }) => done(() => unlinkat(undefined, bytes(path), { dir: true })),
    rename: ({ path, to, flags }) =>
      done(() => renameat2(undefined, bytes(path), undefined, bytes(to), flags)),
    link: ({ path, to }) => done(() => linkat(undefined, bytes(path), undefined, bytes(to))),
    linkSlot: ({ slot, to }) => done(() => linkat(this.#slot(slot), '', undefined, bytes(to))),
    symlink: ({ path, target }) => done(() => symlinkat(bytes(target), undefined, bytes(path))),
    readlink: ({ path }) => ({ text: byteName(readlinkat(undefined, bytes(path))) }),
    chmod: ({ path, mode }) => done(() => fchmodat(undefined, bytes(path), mode)),
    fchmod: ({ slot, mode }) => done(() => fchmod(this.#slot(slot), mode)),
    chown: ({ path, uid, gid }) => done(() => fchownat(undefined, bytes(path), uid, gid)),
    fchown: ({ slot, uid, gid }) => done(() => fchownat(this.#slot(slot), '', uid, gid)),
    utimens: (op) => this.#utimens(undefined, bytes(op.path), op),
    futimens: (op) => this.#utimens(this.#slot(op.slot), Buffer.alloc(0), op),
    setxattr: ({ path, name, length, seed, flags }) =>
      done(() => setxattr(bytes(path), name, xattrValue(name, seed, length), flags)),
    getxattr: ({ path, name }) => ({ bytes: getxattr(bytes(path), name) ?? fail('ENODATA') }),
    listxattr: ({ path }) => ({ names: listxattr(bytes(path)).sort() }),
    removexattr: ({ path, name }) => done(() => removexattr(bytes(path), name)),
    mknod: ({ path, mode, major, minor }) =>
      done(() => mknodat(undefined, bytes(path), mode, major, minor)),
    fallocate: ({ slot, mode, offset, length }) =>
      done(() => fallocate(this.#slot(slot), mode, offset, length)),
    copy: (op) => this.#copy(op),
    lseek: ({ slot, offset, whence }) => {
      const fd = this.#slot(slot);
      if (offset >= fstat(fd).size) fail('ENXIO');
      // No data up to the end: that is a hole, too.
      return { position: lseek(fd, offset, whence) ?? fstat(fd).size };
    },
    readdir: ({ path }) => {
      using fd = openat(undefined, bytes(path), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
      return this.#entries(fd);
    },
    readdirSlot: ({ slot }) => this.#entries(this.#slot(slot)),
    stat: ({ path }) => ({ stat: modelStat(this.#stat(bytes(path))) }),
    fstat: ({ slot }) => ({ stat: modelStat(fstat(this.#slot(slot))) }),
    readFile: ({ path }) => this.#readFile(bytes(path)),
  };

  forget(): void {
    if (this.#dropsCaches) fs.writeFileSync('/proc/sys/vm/drop_caches', '2');
  }
}

/** The root is the working directory. */
function bytes(path: string): Buffer {
  return Buffer.from(path === '' ? '.' : path, 'latin1');
}

/** truncate(2), with Node: its errors are like ours. */
function truncate(path: Buffer, size: number): void {
  try {
    fs.truncateSync(path, size);
  } catch (error) {
    fail((error as NodeJS.ErrnoException).code ?? 'EIO');
  }
}

function modelStat(stat: Statx): ModelStat {
  const { ino, mode, uid, gid, nlink, size, rdevMajor, rdevMinor } = stat;
  return {
    ...{ ino, mode, uid, gid, nlink, size, rdevMajor, rdevMinor },
    atime: { sec: stat.atimeSec, nsec: stat.atimeNsec },
    mtime: { sec: stat.mtimeSec, nsec: stat.mtimeNsec },
    ctime: { sec: stat.ctimeSec, nsec: stat.ctimeNsec },
  };
}

function done(action: () => void): Outcome {
  action();
  return {};
}
