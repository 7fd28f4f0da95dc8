import {
  O_DIRECTORY,
  O_NOFOLLOW,
  O_PATH,
  PATH_MAX,
  RESOLVE_BENEATH,
  RESOLVE_NO_MAGICLINKS,
  RESOLVE_NO_SYMLINKS,
} from './constants.js';
import type { Fd } from './fd.js';
import { openat, openat2 } from './file.js';

/** Room for `/proc/self/fd/<number>/`. */
const PREFIX_BYTES_MAX = 32;
const PART_BYTES_MAX = PATH_MAX - PREFIX_BYTES_MAX;
const SLASH = 0x2f;

/**
 * Gives `use` a path that system calls take, also for one longer than PATH_MAX: its end below an
 * open directory of this process. Valid until `use` returns. Needs /proc.
 */
export function withShortPath<T>(path: Buffer, use: (path: Buffer) => T): T {
  if (path.length < PART_BYTES_MAX) return use(path);
  const cut = path.subarray(0, PART_BYTES_MAX).lastIndexOf(SLASH);
  // One name of this length is no path: the call says ENAMETOOLONG.
  if (cut <= 0) return use(path);
  using dir = openat(undefined, path.subarray(0, cut), O_PATH | O_DIRECTORY | O_NOFOLLOW);
  const rest = Buffer.concat([Buffer.from(`/proc/self/fd/${dir.raw}`), path.subarray(cut)]);
  return withShortPath(rest, use);
}

const BENEATH = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS;

/**
 * Opens what is at `path` below the directory `root`, however long that is: no link in it is
 * followed, whoever may change what is below `root` (ELOOP). `root` itself may be a link; an empty
 * `path` is `root`. The caller closes the result.
 */
export function openBeneath(root: Buffer, path: Buffer, flags: number): Fd {
  using top = openat(undefined, root, O_PATH | O_DIRECTORY);
  return openBelow(top, path, flags);
}

function openBelow(dir: Fd, path: Buffer, flags: number): Fd {
  if (path.length === 0) return openat2(dir, Buffer.from('.'), { flags });
  const cut = path.length < PATH_MAX ? 0 : path.subarray(0, PATH_MAX - 1).lastIndexOf(SLASH);
  if (cut <= 0) return openat2(dir, path, { flags: flags | O_NOFOLLOW, resolve: BENEATH });
  const how = { flags: O_PATH | O_DIRECTORY, resolve: BENEATH };
  using part = openat2(dir, path.subarray(0, cut), how);
  return openBelow(part, path.subarray(cut + 1), flags);
}
