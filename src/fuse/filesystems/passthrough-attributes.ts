import { S_IFDIR, S_IFMT, S_ISGID, S_ISUID, S_IXGRP } from '../../sys/constants.js';
import { encodeDev } from '../../sys/device-number.js';
import { fchmodat, fchownat, utimensat } from '../../sys/directory.js';
import type { Fd } from '../../sys/fd.js';
import { fstat, type Statx } from '../../sys/stat.js';
import type { Attr, SetAttr, Time } from '../filesystem.js';
import { magicPath } from './passthrough-nodes.js';

/** Leaves an id as it is, for chown. */
export const SAME_ID = -1;

/** An inode's attributes as FUSE has them. */
export function attrOf(stat: Statx): Attr {
  return { ...stat, rdev: encodeDev(stat.rdevMajor, stat.rdevMinor) };
}

/** Changes all but the size of an open inode (O_PATH too). */
export function changeAttributes(fd: Fd, change: SetAttr): void {
  const { mode, uid, gid, atime, mtime, killSuidgid } = change;
  if (uid !== undefined || gid !== undefined) fchownat(fd, '', uid ?? SAME_ID, gid ?? SAME_ID);
  if (killSuidgid) dropSuidgid(fd);
  if (mode !== undefined) fchmodat(undefined, magicPath(fd), mode & 0o7777);
  if (atime === undefined && mtime === undefined) return;
  utimensat(fd, '', {
    ...(atime !== undefined && { atime: at(atime) }),
    ...(mtime !== undefined && { mtime: at(mtime) }),
  });
}

/** What a write by somebody without CAP_FSETID takes from a program. */
export function dropSuidgid(fd: Fd): void {
  const { mode } = fstat(fd);
  const sgid = (mode & S_IXGRP) === 0 ? 0 : S_ISGID;
  const kept = mode & 0o7777 & ~(S_ISUID | sgid);
  if ((mode & S_IFMT) === S_IFDIR || kept === (mode & 0o7777)) return;
  fchmodat(undefined, magicPath(fd), kept);
}

function at(time: Time | 'now'): Time {
  if (time !== 'now') return time;
  const ms = Date.now();
  return { sec: Math.floor(ms / 1000), nsec: (ms % 1000) * 1e6 };
}
