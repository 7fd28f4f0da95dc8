// npm test [-- FILTER...]: unit tests, then end-to-end tests, on a bare clone too. With
// `--unit` or `--e2e` only these.
import { TEST_PROGRAMS, ensurePrograms } from './lib/packages.js';
import { ensureBuilt, ensureModules } from './lib/project.js';
import { runTests } from './lib/tests.js';

const args = process.argv.slice(2);
const filters = args.filter((arg) => !arg.startsWith('--'));
const only = args.find((arg) => arg === '--unit' || arg === '--e2e');

ensureModules();
ensureBuilt();
const isComplete = ensurePrograms(TEST_PROGRAMS);
if (!isComplete && process.env.CI === 'true') process.exit(1);

process.exit(runTests({ unit: only !== '--e2e', endToEnd: only !== '--unit', filters }));
