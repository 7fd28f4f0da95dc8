import { join } from 'node:path';
import { ROOT, filesBelow, run } from './project.js';

/**
 * Runs the compiled tests below these folders of dist in one `node --test`, only those whose path
 * contains one of `filters` if there are any. Returns the exit code.
 */
export function runTests(folders, { timeoutMs, filters = [], concurrency }) {
  const files = folders
    .flatMap((folder) => filesBelow(join(ROOT, 'dist', folder), '.test.js'))
    .filter((path) => filters.length === 0 || filters.some((filter) => path.includes(filter)));
  if (files.length === 0) {
    console.log(`no test below ${folders.join(', ')} matches ${filters.join(', ')}`);
    return 0;
  }
  const options = [`--test-timeout=${timeoutMs}`, '--test-reporter=spec'];
  if (concurrency !== undefined) options.push(`--test-concurrency=${concurrency}`);
  return run(process.execPath, ['--enable-source-maps', '--test', ...options, ...files]);
}

/** The unit tests: beside their sources, no network, no other machine's state. */
export function runUnitTests(filters) {
  return runTests(['src', 'cmd', 'bench'], { timeoutMs: 120_000, filters });
}

/** The end-to-end tests: the built program against Debian's tools. One file at a time. */
export function runEndToEndTests(filters) {
  return runTests(['e2e'], { timeoutMs: 900_000, filters, concurrency: 1 });
}
