import { withShortPath } from '../sys/deep-path.js';
import { getxattr, listxattr } from '../sys/xattr.js';
import { byteName, type ByteName } from '../util/byte-name.js';
import { hasCode } from '../util/errors.js';

/*
 * Extended attributes that overlay file systems keep for themselves on the files of a layer:
 * `trusted.overlay.*`, in user namespaces `user.overlay.*` (kernel), `user.fuseoverlayfs.*`
 * (fuse-overlayfs). Source: Documentation/filesystems/overlayfs.rst.
 *   opaque    y: hides what lower layers have in the directory
 *             x: empty regular files in it that have `whiteout` are whiteouts
 *   redirect  /PATH of a layer or NAME in the directory, where lower layers have this file
 *   metacopy  the file's bytes are those of the layers below
 * A file's own attribute of such a name is kept as `trusted.overlay.overlay.*`.
 */

const OWN = /^(?:(?:trusted|user)\.overlay|user\.fuseoverlayfs)\.(.*)$/s;
const ESCAPED = /^(trusted|user)\.overlay\.overlay\./;
const TO_ESCAPE = /^(trusted|user)\.overlay\./;

/** What such attributes say of one file. */
export interface Marks {
  readonly opaque: 'all' | 'xwhiteouts' | undefined;
  readonly redirect: ByteName | undefined;
  readonly isMetacopy: boolean;
  readonly isWhiteout: boolean;
}

const NO_MARKS: Marks = {
  opaque: undefined,
  redirect: undefined,
  isMetacopy: false,
  isWhiteout: false,
};

/** Reads what overlay file systems have noted on a file of a layer. */
export function readMarks(path: Buffer): Marks {
  const found = new Map<string, Buffer>();
  for (const name of namesOf(path)) {
    const key = ESCAPED.test(name) ? undefined : OWN.exec(name)?.[1];
    const value = key === undefined ? undefined : valueOf(path, name);
    if (key !== undefined && value !== undefined) found.set(key, value);
  }
  if (found.size === 0) return NO_MARKS;
  const opaque = found.get('opaque')?.toString('latin1');
  const redirect = found.get('redirect');
  return {
    opaque: opaque === 'y' ? 'all' : opaque === 'x' ? 'xwhiteouts' : undefined,
    redirect: redirect && byteName(redirect),
    isMetacopy: found.has('metacopy'),
    isWhiteout: found.has('whiteout'),
  };
}

/** The attributes of a file of a layer, without those of {@link readMarks}. */
export function readXattrs(path: Buffer): Map<ByteName, Buffer> | undefined {
  const xattrs = new Map<ByteName, Buffer>();
  for (const name of namesOf(path)) {
    const isEscaped = ESCAPED.test(name);
    if (!isEscaped && OWN.test(name)) continue;
    const value = valueOf(path, name);
    const shown = isEscaped ? (name.replace('.overlay', '') as ByteName) : name;
    if (value !== undefined) xattrs.set(shown, value);
  }
  return xattrs.size === 0 ? undefined : xattrs;
}

/** The name under which a file of a layer has an attribute of its own. */
export function storedXattrName(name: ByteName): ByteName {
  return name.replace(TO_ESCAPE, '$1.overlay.overlay.') as ByteName;
}

/** Whether an attribute is an overlay file system's own note. */
export function isOverlayXattr(name: ByteName): boolean {
  return !ESCAPED.test(name) && OWN.test(name);
}

/** Undefined also where this process may not read it: whoever lists the file is not to fail. */
function valueOf(path: Buffer, name: ByteName): Buffer | undefined {
  try {
    return withShortPath(path, (at) => getxattr(at, name));
  } catch (error) {
    if (hasCode(error, 'EPERM', 'EACCES')) return undefined;
    throw error;
  }
}

function namesOf(path: Buffer): ByteName[] {
  try {
    return withShortPath(path, (at) => listxattr(at));
  } catch (error) {
    if (hasCode(error, 'EOPNOTSUPP', 'ENOTSUP', 'EPERM', 'EACCES')) return [];
    throw error;
  }
}
