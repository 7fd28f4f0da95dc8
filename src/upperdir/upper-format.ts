import { S_IFCHR } from '../sys/constants.js';
import { mkdirat, mknodat } from '../sys/directory.js';
import { setxattr } from '../sys/xattr.js';
import { byteNameOf, type ByteName } from '../util/byte-name.js';
import { hasCode } from '../util/errors.js';

const OPAQUE_XATTRS = ['trusted.overlay.opaque', 'user.overlay.opaque'] as const;
/** A file of this name makes its directory opaque where attributes cannot. */
export const OPAQUE_MARKER: ByteName = byteNameOf('.wh..wh..opq');
/** A file of this name and another's removes the other where devices cannot be made. */
export const WHITEOUT_PREFIX = '.wh.';
export const OPAQUE_VALUE: Buffer = Buffer.from('y');

/** How removed names and opaque directories are written where the upper directory is. */
export interface UpperFormat {
  /** Undefined: by {@link OPAQUE_MARKER}. */
  readonly opaqueXattr: string | undefined;
  /** `device`: 0/0 character devices, `file`: `.wh.NAME`. */
  readonly whiteouts: 'device' | 'file';
}

/** The path of a name in a directory. */
export function join(dir: Buffer, name: string): Buffer {
  return Buffer.concat([dir, Buffer.from(`/${name}`, 'latin1')]);
}

/**
 * Finds out what this process may write, by trying it in `dir`, an empty directory on the same
 * file system. `userXattr`: the kernel's option of that name, and what user namespaces have to use.
 */
export function probeFormat(dir: Buffer, { userXattr }: { userXattr: boolean }): UpperFormat {
  const probe = join(dir, 'probe');
  mkdirat(undefined, probe);
  const candidates = userXattr ? OPAQUE_XATTRS.slice(1) : OPAQUE_XATTRS;
  const opaqueXattr = candidates.find((name) =>
    succeeds(() => setxattr(probe, name, OPAQUE_VALUE)),
  );
  const canMake = succeeds(() => mknodat(undefined, join(probe, 'whiteout'), S_IFCHR));
  return { opaqueXattr, whiteouts: canMake ? 'device' : 'file' };
}

function succeeds(work: () => void): boolean {
  try {
    work();
    return true;
  } catch (error) {
    if (hasCode(error, 'EPERM', 'EACCES', 'EOPNOTSUPP', 'ENOTSUP', 'EINVAL')) return false;
    throw error;
  }
}
