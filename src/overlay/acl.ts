import { S_IFLNK, S_ISGID } from '../sys/constants.js';
import { FsError } from '../sys/errno.js';
import { byteNameOf, type ByteName } from '../util/byte-name.js';
import { isDirMode, typeOf, type Node } from './node.js';

/*
 * POSIX ACLs as extended attributes: u32 version 2, then entries of u16 tag, u16 permissions,
 * u32 id. Source: linux/posix_acl_xattr.h.
 *   02 00 00 00 | 01 00 07 00 ff ff ff ff | 04 00 05 00 ff ff ff ff | …
 */
const ACL_VERSION = 2;
const HEADER_BYTES = 4;
const ENTRY_BYTES = 8;
const TAG = { userObj: 0x01, user: 0x02, groupObj: 0x04, group: 0x08, mask: 0x10, other: 0x20 };
const TAGS: readonly number[] = Object.values(TAG);
/** An ACL of these entries says no more than a mode. */
const MINIMAL_ENTRIES = 3;
/** What an id may not be: (uid_t) -1. */
const NO_ID = 0xffffffff;

/** The attribute that holds a node's ACL. */
export const ACL_ACCESS: ByteName = byteNameOf('system.posix_acl_access');
/** The attribute that holds what is inherited by what is made in a directory. */
export const ACL_DEFAULT: ByteName = byteNameOf('system.posix_acl_default');

/** Whether an attribute is an ACL: it belongs with the mode. */
export function isAclName(name: ByteName): boolean {
  return name === ACL_ACCESS || name === ACL_DEFAULT;
}

/**
 * Sets an ACL, as setfacl(1) does; one without entries removes it. The mode follows an access ACL,
 * which is not kept if it says no more than the mode. EOPNOTSUPP for symbolic links, EACCES for a
 * default ACL of anything but a directory, EINVAL where the kernel would see none.
 */
export function setAcl(node: Node, name: ByteName, value: Buffer, killSgid: boolean): void {
  if (typeOf(node.mode) === S_IFLNK) throw new FsError('EOPNOTSUPP', 'setxattr');
  const entries = countEntries(value);
  if (entries > 0 && name === ACL_DEFAULT && !node.isDir) throw new FsError('EACCES', 'setxattr');
  if (entries > 0) assertAcl(value);
  const xattrs = new Map(node.xattrs);
  xattrs.delete(name);
  const isAccess = name === ACL_ACCESS;
  if (isAccess && entries > 0) node.mode = (node.mode & ~0o777) | modeOf(value);
  if (isAccess && killSgid) node.mode &= ~S_ISGID;
  if (entries > (isAccess ? MINIMAL_ENTRIES : 0)) xattrs.set(name, Buffer.from(value));
  node.xattrs = xattrs.size === 0 ? undefined : xattrs;
}

function countEntries(value: Buffer): number {
  if (value.length === 0) return 0;
  const bytes = value.length - HEADER_BYTES;
  if (bytes < 0 || bytes % ENTRY_BYTES !== 0) throw new FsError('EINVAL', 'setxattr');
  if (value.readUInt32LE(0) !== ACL_VERSION) throw new FsError('EOPNOTSUPP', 'setxattr');
  return bytes / ENTRY_BYTES;
}

/** Tags in their order, each once but `user` and `group`, which need an id and a mask. */
function assertAcl(acl: Buffer): void {
  const counts = new Map<number, number>();
  let last = 0;
  for (const at of entriesOf(acl)) {
    const [tag, permissions, id] = [
      tagAt(acl, at),
      acl.readUInt16LE(at + 2),
      acl.readUInt32LE(at + 4),
    ];
    const isNamed = tag === TAG.user || tag === TAG.group;
    const inOrder = isNamed ? tag >= last : tag > last;
    const known = TAGS.includes(tag) && permissions <= 7 && !(isNamed && id === NO_ID);
    if (!known || !inOrder) throw new FsError('EINVAL', 'setxattr');
    last = tag;
    counts.set(tag, (counts.get(tag) ?? 0) + 1);
  }
  const needed = [TAG.userObj, TAG.groupObj, TAG.other];
  if (counts.has(TAG.user) || counts.has(TAG.group)) needed.push(TAG.mask);
  if (!needed.every((tag) => counts.has(tag))) throw new FsError('EINVAL', 'setxattr');
}

function* entriesOf(acl: Buffer): Generator<number> {
  for (let at = HEADER_BYTES; at + ENTRY_BYTES <= acl.length; at += ENTRY_BYTES) yield at;
}

function tagAt(acl: Buffer, at: number): number {
  return acl.readUInt16LE(at);
}

/** The entries that are the mode's: the group's bits are the mask's, where there is one. */
function modeEntries(acl: Buffer): { at: number; shift: number }[] {
  const found: { at: number; shift: number }[] = [];
  let group: number | undefined;
  for (const at of entriesOf(acl)) {
    const tag = tagAt(acl, at);
    if (tag === TAG.userObj) found.push({ at, shift: 6 });
    else if (tag === TAG.other) found.push({ at, shift: 0 });
    else if (tag === TAG.mask || (tag === TAG.groupObj && group === undefined)) group = at;
  }
  if (group !== undefined) found.push({ at: group, shift: 3 });
  return found;
}

/** The permission bits of an ACL. */
function modeOf(acl: Buffer): number {
  let mode = 0;
  for (const { at, shift } of modeEntries(acl)) mode |= (acl.readUInt16LE(at + 2) & 7) << shift;
  return mode;
}

/**
 * Gives a new node the permissions that are its due: what the default ACL of its directory leaves
 * of its mode, or, without one, what the umask does.
 */
export function inheritAcl(parent: Node, node: Node, umask: number): void {
  const inherited = parent.xattrs?.get(ACL_DEFAULT);
  if (inherited === undefined) {
    node.mode &= ~(umask & 0o777);
    return;
  }
  const acl = Buffer.from(inherited);
  for (const { at, shift } of modeEntries(acl)) {
    acl.writeUInt16LE(acl.readUInt16LE(at + 2) & (node.mode >> shift) & 7, at + 2);
  }
  node.mode = (node.mode & ~0o777) | modeOf(acl);
  const xattrs = new Map<ByteName, Buffer>();
  if (countEntries(acl) > MINIMAL_ENTRIES) xattrs.set(ACL_ACCESS, acl);
  if (isDirMode(node.mode)) xattrs.set(ACL_DEFAULT, inherited);
  if (xattrs.size > 0) node.xattrs = xattrs;
}

/** Makes an ACL agree with a new mode: chmod(2). Undefined: there is none to change. */
export function aclWithMode(node: Node, mode: number): Map<ByteName, Buffer> | undefined {
  const acl = node.xattrs?.get(ACL_ACCESS);
  if (acl === undefined) return undefined;
  const changed = Buffer.from(acl);
  for (const { at, shift } of modeEntries(changed)) {
    changed.writeUInt16LE((mode >> shift) & 7, at + 2);
  }
  return new Map(node.xattrs).set(ACL_ACCESS, changed);
}
