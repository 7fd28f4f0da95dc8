import { cpSync, mkdtempSync, rmSync, statSync, chmodSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { ROOT } from './project.js';

const COPY_PARENT = '/var/tmp';
/** Not needed for running tests. */
const LEFT_OUT = ['.git', 'node_modules/.cache'];

/** Whether every user may enter `dir`. */
function isOpen(dir) {
  const isEnterable = (statSync(dir).mode & 0o001) !== 0;
  return isEnterable && (dir === '/' || isOpen(dirname(dir)));
}

/**
 * Gives a directory with the project that ordinary users can read: a checkout in /root is closed
 * to the users that tests run programs as. Calls `work` with it; removes what it made.
 */
export function withOpenProject(work) {
  if (process.getuid() !== 0 || isOpen(ROOT) || process.env.UPDATE_GOLDEN) return work(ROOT);
  const parent = mkdtempSync(join(COPY_PARENT, 'tsbuild-test-'));
  try {
    chmodSync(parent, 0o755);
    const copy = join(parent, basename(ROOT));
    console.log(`${ROOT} is closed to other users: testing in ${copy}`);
    const left = LEFT_OUT.map((path) => join(ROOT, path));
    cpSync(ROOT, copy, {
      recursive: true,
      verbatimSymlinks: true,
      filter: (from) => !left.includes(from),
    });
    return work(copy);
  } finally {
    rmSync(parent, { recursive: true, force: true });
  }
}
