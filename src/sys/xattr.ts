import type { ByteName } from '../util/byte-name.js';
import { byteName, nameBytes } from '../util/byte-name.js';
import { errnoNumber } from './errno.js';
import { Fd } from './fd.js';
import type { PathLike } from './libc.js';
import { check, lastErrno, libc, pathArg } from './libc.js';

/** The largest value, and the largest list of names. Source: linux/limits.h. */
const XATTR_SIZE_MAX = 65536;
const EBADF = errnoNumber('EBADF');
const ENODATA = errnoNumber('ENODATA');
const EOPNOTSUPP = 95;

const scratch = Buffer.allocUnsafeSlow(XATTR_SIZE_MAX);

/** What has the attribute: an open descriptor (O_PATH too), or a path whose link is not followed. */
export type XattrTarget = Fd | PathLike;

/** The names of all attributes that the caller may see; none where there is no support. */
export function listxattr(target: XattrTarget): ByteName[] {
  const length = dispatch(target, 'listxattr', {
    fd: (raw) => libc.flistxattr(raw, scratch, XATTR_SIZE_MAX),
    link: (path) => libc.llistxattr(path, scratch, XATTR_SIZE_MAX),
    magic: (path) => libc.listxattr(path, scratch, XATTR_SIZE_MAX),
  });
  if (length < 0) {
    if (lastErrno() === EOPNOTSUPP) return [];
    check(length, 'listxattr');
  }
  const names: ByteName[] = [];
  for (let at = 0; at < length;) {
    const end = scratch.indexOf(0, at);
    names.push(byteName(scratch.subarray(at, end)));
    at = end + 1;
  }
  return names;
}

/** A copy of an attribute's value; undefined: there is none, or no support. */
export function getxattr(target: XattrTarget, name: ByteName | string): Buffer | undefined {
  const nameArg = pathArg(bytesOf(name), 'getxattr');
  const length = dispatch(target, 'getxattr', {
    fd: (raw) => libc.fgetxattr(raw, nameArg, scratch, XATTR_SIZE_MAX),
    link: (path) => libc.lgetxattr(path, nameArg, scratch, XATTR_SIZE_MAX),
    magic: (path) => libc.getxattr(path, nameArg, scratch, XATTR_SIZE_MAX),
  });
  if (length < 0) {
    const errno = lastErrno();
    if (errno === ENODATA || errno === EOPNOTSUPP) return undefined;
    check(length, 'getxattr');
  }
  return Buffer.from(scratch.subarray(0, length));
}

/** setxattr(2); `flags`: XATTR_CREATE, XATTR_REPLACE. */
export function setxattr(
  target: XattrTarget,
  name: ByteName | string,
  value: Uint8Array,
  flags = 0,
): void {
  const nameArg = pathArg(bytesOf(name), 'setxattr');
  const result = dispatch(target, 'setxattr', {
    fd: (raw) => libc.fsetxattr(raw, nameArg, value, value.length, flags),
    link: (path) => libc.lsetxattr(path, nameArg, value, value.length, flags),
    magic: (path) => libc.setxattr(path, nameArg, value, value.length, flags),
  });
  check(result, 'setxattr');
}

/** removexattr(2). */
export function removexattr(target: XattrTarget, name: ByteName | string): void {
  const nameArg = pathArg(bytesOf(name), 'removexattr');
  const result = dispatch(target, 'removexattr', {
    fd: (raw) => libc.fremovexattr(raw, nameArg),
    link: (path) => libc.lremovexattr(path, nameArg),
    magic: (path) => libc.removexattr(path, nameArg),
  });
  check(result, 'removexattr');
}

/** The three forms of one call: of a descriptor, of a path itself, of a /proc/self/fd link. */
interface Forms {
  fd(raw: number): number;
  link(path: string | Buffer): number;
  magic(path: string): number;
}

function dispatch(target: XattrTarget, syscall: string, forms: Forms): number {
  if (!(target instanceof Fd)) return forms.link(pathArg(target, syscall));
  const result = forms.fd(target.raw);
  // The f* calls refuse O_PATH descriptors; the link in /proc leads to the inode itself.
  return result < 0 && lastErrno() === EBADF ? forms.magic(`/proc/self/fd/${target.raw}`) : result;
}

// A ByteName and plain text are alike as long as attribute names are ASCII, as they are in
// practice; a latin1 character stands for a byte in both.
function bytesOf(name: ByteName | string): Buffer {
  return nameBytes(name as ByteName);
}
