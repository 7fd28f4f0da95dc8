import { byteNameOf, type ByteName } from '../util/byte-name.js';
import { isDirMode, type Node } from './node.js';

/*
 * POSIX ACLs as extended attributes: u32 version 2, then entries of u16 tag, u16 permissions,
 * u32 id. Source: linux/posix_acl_xattr.h.
 *   02 00 00 00 | 01 00 07 00 ff ff ff ff | 04 00 05 00 ff ff ff ff | …
 */
const HEADER_BYTES = 4;
const ENTRY_BYTES = 8;
const TAG = { userObj: 0x01, groupObj: 0x04, mask: 0x10, other: 0x20 } as const;

/** The attribute that holds a node's ACL. */
export const ACL_ACCESS: ByteName = byteNameOf('system.posix_acl_access');
/** The attribute that holds what is inherited by what is made in a directory. */
export const ACL_DEFAULT: ByteName = byteNameOf('system.posix_acl_default');

/** Gives a new node what the default ACL of its directory says. */
export function inheritAcl(parent: Node, node: Node): void {
  const inherited = parent.xattrs?.get(ACL_DEFAULT);
  if (inherited === undefined) return;
  const acl = Buffer.from(inherited);
  const bits = limitAcl(acl, node.mode);
  node.mode = (node.mode & ~0o777) | bits;
  const xattrs = new Map<ByteName, Buffer>();
  // An ACL of three entries says no more than the mode.
  if (acl.length > HEADER_BYTES + 3 * ENTRY_BYTES) xattrs.set(ACL_ACCESS, acl);
  if (isDirMode(node.mode)) xattrs.set(ACL_DEFAULT, inherited);
  if (xattrs.size > 0) node.xattrs = xattrs;
}

/** Takes from the ACL what `mode` does not grant; returns the permission bits of the result. */
function limitAcl(acl: Buffer, mode: number): number {
  let group = -1;
  let bits = 0;
  for (let at = HEADER_BYTES; at + ENTRY_BYTES <= acl.length; at += ENTRY_BYTES) {
    const tag = acl.readUInt16LE(at);
    const shift = tag === TAG.userObj ? 6 : tag === TAG.other ? 0 : 3;
    if (tag === TAG.groupObj) group = at;
    if (tag === TAG.mask) group = at;
    if (tag !== TAG.userObj && tag !== TAG.other) continue;
    const granted = acl.readUInt16LE(at + 2) & (mode >> shift) & 7;
    acl.writeUInt16LE(granted, at + 2);
    bits |= granted << shift;
  }
  if (group < 0) return bits;
  const granted = acl.readUInt16LE(group + 2) & (mode >> 3) & 7;
  acl.writeUInt16LE(granted, group + 2);
  return bits | (granted << 3);
}

/** Makes an ACL agree with a new mode: chmod(2). Undefined: there is none to change. */
export function aclWithMode(node: Node, mode: number): Map<ByteName, Buffer> | undefined {
  const acl = node.xattrs?.get(ACL_ACCESS);
  if (acl === undefined) return undefined;
  const changed = Buffer.from(acl);
  let group = -1;
  for (let at = HEADER_BYTES; at + ENTRY_BYTES <= changed.length; at += ENTRY_BYTES) {
    const tag = changed.readUInt16LE(at);
    if (tag === TAG.userObj) changed.writeUInt16LE((mode >> 6) & 7, at + 2);
    else if (tag === TAG.other) changed.writeUInt16LE(mode & 7, at + 2);
    else if (tag === TAG.mask || (tag === TAG.groupObj && group < 0)) group = at;
  }
  if (group >= 0) changed.writeUInt16LE((mode >> 3) & 7, group + 2);
  return new Map(node.xattrs).set(ACL_ACCESS, changed);
}
