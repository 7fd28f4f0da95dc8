import { AT_EMPTY_PATH } from './constants.js';
import { Fd } from './fd.js';
import { dirfd } from './file.js';
import type { PathLike } from './libc.js';
import { SYS, check, failure, libc, pathArg } from './libc.js';

export const MS_RDONLY = 1;
export const MS_NOSUID = 2;
export const MS_NODEV = 4;
export const MS_NOEXEC = 8;
export const MS_REMOUNT = 32;
export const MS_NOATIME = 1024;
export const MS_BIND = 4096;
export const MS_MOVE = 8192;
export const MS_REC = 16384;
export const MS_PRIVATE: number = 1 << 18;
export const MS_SLAVE: number = 1 << 19;
export const MNT_FORCE = 1;
export const MNT_DETACH = 2;
export const UMOUNT_NOFOLLOW = 8;
export const MOUNT_ATTR_RDONLY = 1;
export const MOUNT_ATTR_NOSUID = 2;
export const MOUNT_ATTR_NODEV = 4;
export const MOUNT_ATTR_NOEXEC = 8;
export const OPEN_TREE_CLONE = 1;
export const MOVE_MOUNT_F_EMPTY_PATH = 4;
const OPEN_TREE_CLOEXEC = 0o2000000;
const MOUNT_ATTR_BYTES = 32;

/** What mount(2) takes; what is left out is NULL or 0. */
export interface MountArgs {
  readonly source?: PathLike;
  readonly target: PathLike;
  readonly type?: string;
  readonly flags?: number;
  readonly data?: PathLike;
}

/** mount(2). */
export function mount({ source, target, type, flags, data }: MountArgs): void {
  const result = libc.mount(
    optional(source),
    pathArg(target, 'mount'),
    optional(type),
    flags ?? 0,
    optional(data),
  );
  check(result, 'mount', target);
}

function optional(value: PathLike | undefined): string | Buffer | null {
  return value === undefined ? null : pathArg(value, 'mount');
}

/** umount2(2); `flags` are of MNT_*. */
export function umount2(target: PathLike, flags = 0): void {
  check(libc.umount2(pathArg(target, 'umount2'), flags), 'umount2', target);
}

/** The same in a thread: a mount that this process serves needs it to answer meanwhile. */
export function umountInThread(target: PathLike, flags = 0): Promise<void> {
  return new Promise((resolve, reject) => {
    libc.umount2.async(pathArg(target, 'umount2'), flags, (error, result) => {
      if (error !== null) reject(error);
      else if (result < 0) reject(failure('umount2', target));
      else resolve();
    });
  });
}

/** pivot_root(2): of the caller's mount namespace. */
export function pivotRoot(newRoot: PathLike, putOld: PathLike): void {
  const putOldArg = pathArg(putOld, 'pivot_root');
  const result = libc.sysPivotRoot(SYS.pivot_root, pathArg(newRoot, 'pivot_root'), putOldArg);
  check(result, 'pivot_root', newRoot);
}

/** chroot(2); the working directory stays where it is. */
export function chroot(path: PathLike): void {
  check(libc.chroot(pathArg(path, 'chroot')), 'chroot', path);
}

/** chdir(2), of the whole process, also to paths that are not UTF-8. */
export function chdir(path: PathLike): void {
  check(libc.chdir(pathArg(path, 'chdir')), 'chdir', path);
}

/** What mount_setattr(2) changes: bits of MOUNT_ATTR_*, and MS_PRIVATE or MS_SLAVE. */
export interface MountAttr {
  readonly set?: number;
  readonly clear?: number;
  readonly propagation?: number;
}

/** mount_setattr(2); `flags`: AT_RECURSIVE for the whole tree. An empty path means `dir`. */
export function mountSetattr(
  dir: Fd | undefined,
  path: PathLike,
  flags: number,
  attr: MountAttr,
): void {
  const struct = Buffer.alloc(MOUNT_ATTR_BYTES);
  struct.writeBigUInt64LE(BigInt(attr.set ?? 0), 0);
  struct.writeBigUInt64LE(BigInt(attr.clear ?? 0), 8);
  struct.writeBigUInt64LE(BigInt(attr.propagation ?? 0), 16);
  const result = libc.sysMountSetattr(
    SYS.mount_setattr,
    dirfd(dir),
    pathArg(path, 'mount_setattr'),
    flags | (path.length === 0 ? AT_EMPTY_PATH : 0),
    struct,
    MOUNT_ATTR_BYTES,
  );
  check(result, 'mount_setattr', path);
}

/** open_tree(2): a descriptor of a mount, or of a detached copy of it. The caller closes it. */
export function openTree(dir: Fd | undefined, path: PathLike, flags: number): Fd {
  const arg = pathArg(path, 'open_tree');
  const raw = libc.sysOpenTree(SYS.open_tree, dirfd(dir), arg, flags | OPEN_TREE_CLOEXEC);
  return Fd.adopt(check(raw, 'open_tree', path));
}

/** move_mount(2): attaches the mount of {@link openTree} at `target`. */
export function moveMount(tree: Fd, target: PathLike): void {
  const result = libc.sysMoveMount(
    SYS.move_mount,
    tree.raw,
    '',
    dirfd(undefined),
    pathArg(target, 'move_mount'),
    MOVE_MOUNT_F_EMPTY_PATH,
  );
  check(result, 'move_mount', target);
}
