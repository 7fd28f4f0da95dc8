import { join } from 'node:path';
import { filesBelow, run } from './project.js';
import { withOpenProject } from './relocate.js';
import { withoutTestUserLeft } from './test-user.js';

const UNIT = { folders: ['src', 'cmd', 'bench'], options: ['--test-timeout=120000'] };
const END_TO_END = {
  folders: ['e2e'],
  options: ['--test-timeout=900000', '--test-concurrency=1'],
};

/** Runs a set's compiled tests below `root` in one `node --test`; returns the exit code. */
function runSet(root, { folders, options }, filters) {
  const files = folders
    .flatMap((folder) => filesBelow(join(root, 'dist', folder), '.test.js'))
    .filter((path) => filters.length === 0 || filters.some((filter) => path.includes(filter)));
  if (files.length === 0) return 0;
  const all = ['--enable-source-maps', '--test', '--test-reporter=spec', ...options, ...files];
  return run(process.execPath, all, { cwd: root });
}

/**
 * Runs unit tests (beside their sources) and end-to-end tests (the built program against Debian's
 * tools, one file at a time); of both only those whose path contains one of `filters`, if there
 * are any. Returns the exit code.
 */
export function runTests({ unit, endToEnd, filters = [] }) {
  const sets = [...(unit ? [UNIT] : []), ...(endToEnd ? [END_TO_END] : [])];
  return withoutTestUserLeft(() =>
    withOpenProject((root) => {
      const codes = sets.map((set) => runSet(root, set, filters));
      return codes.find((code) => code !== 0) ?? 0;
    }),
  );
}
