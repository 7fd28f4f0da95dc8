import { O_DIRECTORY, O_NOFOLLOW, O_PATH, PATH_MAX } from './constants.js';
import { openat } from './file.js';

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
