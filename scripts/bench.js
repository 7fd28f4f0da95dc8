// npm run bench [-- OPTIONS]: installs what it compares with, and runs bench/main.ts.
import { join } from 'node:path';
import { BENCH_PROGRAMS, ensurePrograms } from './lib/packages.js';
import { ROOT, ensureBuilt, ensureModules, run } from './lib/project.js';

ensureModules();
ensureBuilt();
if (!ensurePrograms(BENCH_PROGRAMS)) process.exit(1);
process.exit(run(process.execPath, [join(ROOT, 'dist/bench/main.js'), ...process.argv.slice(2)]));
