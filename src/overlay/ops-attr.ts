import type { Caller, SetAttr, Time } from '../fuse/filesystem.js';
import { S_IFMT, S_IFREG, S_ISGID, S_ISUID, S_IXGRP } from '../sys/constants.js';
import { FsError } from '../sys/errno.js';
import { byteNameOf } from '../util/byte-name.js';
import { aclWithMode } from './acl.js';
import { mayKeepGroup } from './caller.js';
import { stampChange, stampContent } from './clock.js';
import { typeOf, type Node } from './node.js';
import type { Tree } from './tree.js';

const CAPABILITY = byteNameOf('security.capability');
/** Beyond it a size is no longer exact as a number (and the kernel refuses it). */
const SIZE_BYTES_MAX = Number.MAX_SAFE_INTEGER;

/** chmod, chown, truncate and utimensat in one. */
export function setAttributes(tree: Tree, node: Node, change: SetAttr, caller: Caller): Node {
  tree.assertWritable('setattr');
  const now = tree.now();
  if (change.size !== undefined) {
    const before = node.size;
    truncateFile(tree, node, change.size);
    // The kernel keeps the times of a file that keeps its size.
    if (node.size !== before) stampContent(node, now);
  }
  const chown = change.uid !== undefined || change.gid !== undefined;
  if (change.killSuidgid) killSuidgid(node, caller);
  if ((chown && !node.isDir) || change.size !== undefined) dropCapability(node);
  if (change.uid !== undefined) node.uid = change.uid;
  if (change.gid !== undefined) node.gid = change.gid;
  if (change.mode !== undefined) {
    node.mode = (node.mode & S_IFMT) | (change.mode & 0o7777);
    node.xattrs = aclWithMode(node, node.mode) ?? node.xattrs;
  }
  if (change.atime !== undefined) setAtime(node, change.atime === 'now' ? now : change.atime);
  if (change.mtime !== undefined) {
    const { sec, nsec } = change.mtime === 'now' ? now : change.mtime;
    node.mtimeSec = sec;
    node.mtimeNsec = nsec;
  }
  stampChange(node, change.ctime ?? now);
  if (recorded(change)) tree.touch(node);
  return node;
}

/** Whether a layer has any of it: atime is not. */
function recorded(change: SetAttr): boolean {
  const { mode, uid, gid, size, mtime, killSuidgid: kill } = change;
  return kill || [mode, uid, gid, size, mtime].some((field) => field !== undefined);
}

function setAtime(node: Node, { sec, nsec }: Time): void {
  node.atimeSec = sec;
  node.atimeNsec = nsec;
}

function truncateFile(tree: Tree, node: Node, size: number): void {
  if (node.isDir) throw new FsError('EISDIR', 'truncate');
  if (typeOf(node.mode) !== S_IFREG) throw new FsError('EINVAL', 'truncate');
  if (size > SIZE_BYTES_MAX) throw new FsError('EFBIG', 'truncate');
  if (size === node.size) return;
  tree.contents.truncate(node, size);
  tree.contents.measure(node);
}

/** What a write or chown takes from a program: a strange set-gid bit also where it is no program. */
export function killSuidgid(node: Node, caller: Caller): void {
  if (node.isDir) return;
  node.mode &= ~S_ISUID;
  if ((node.mode & S_ISGID) === 0) return;
  if ((node.mode & S_IXGRP) !== 0 || !mayKeepGroup(caller, node.gid)) node.mode &= ~S_ISGID;
}

/** File capabilities do not survive a change of what they were given to. */
export function dropCapability(node: Node): void {
  if (node.xattrs?.has(CAPABILITY) !== true) return;
  const xattrs = new Map(node.xattrs);
  xattrs.delete(CAPABILITY);
  node.xattrs = xattrs.size === 0 ? undefined : xattrs;
}
