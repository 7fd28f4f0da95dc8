import { O_CLOEXEC } from './constants.js';
import { Fd } from './fd.js';
import { check, libc } from './libc.js';

/**
 * pipe2(2), close-on-exec. A real pipe, unlike the socket pairs that Node gives its children:
 * programs may open it again as /dev/stdout. The caller closes both ends.
 */
export function pipe(): { readonly read: Fd; readonly write: Fd } {
  const pair = Buffer.alloc(8);
  check(libc.pipe2(pair, O_CLOEXEC), 'pipe2');
  return { read: Fd.adopt(pair.readInt32LE(0)), write: Fd.adopt(pair.readInt32LE(4)) };
}
