// npm run check: the one gate: format, lint, types, unit tests. With `--static` no tests.
import { ensureBuilt, ensureModules, runOrExit } from './lib/project.js';
import { runTests } from './lib/tests.js';

ensureModules();
runOrExit('npm', ['run', '--silent', 'format:check']);
runOrExit('npm', ['run', '--silent', 'lint']);
ensureBuilt();
runOrExit(process.execPath, ['scripts/docs.js', '--check']);
if (!process.argv.includes('--static')) process.exit(runTests({ unit: true }));
