// npm run programs [-- NAME...]: builds the images of fixtures/programs, each the work of real
// programs on the overlay, under load and with checksums. Needs minutes and the network: by hand.
import { copyFileSync, cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { QUICKSTART_PROGRAMS, ensurePrograms } from './lib/packages.js';
import { ROOT, ensureBuilt, ensureModules, run } from './lib/project.js';

const BASE = 'debian:bookworm';
const SUFFIX = '.Buildfile';
const FIXTURES = join(ROOT, 'fixtures/programs');
const MAIN = join(ROOT, 'dist/cmd/main.js');

function tsbuild(...args) {
  return run(process.execPath, [MAIN, ...args]);
}

/** The fixtures, with the certificates that this network wants. */
function makeContext() {
  const context = mkdtempSync(join(tmpdir(), 'tsbuild-programs-'));
  cpSync(FIXTURES, context, { recursive: true });
  const certificates = process.env.NODE_EXTRA_CA_CERTS;
  const copy = join(context, 'ca.crt');
  if (certificates === undefined) writeFileSync(copy, '');
  else copyFileSync(certificates, copy);
  return context;
}

ensureModules();
ensureBuilt();
if (!ensurePrograms(QUICKSTART_PROGRAMS)) process.exit(1);

const known = readdirSync(FIXTURES)
  .filter((file) => file.endsWith(SUFFIX))
  .map((file) => file.slice(0, -SUFFIX.length));
const names = process.argv.length > 2 ? process.argv.slice(2) : known;
const unknown = names.filter((name) => !known.includes(name));
if (unknown.length > 0) {
  console.error(`Cannot find ${unknown.join(', ')}, want some of ${known.join(', ')}`);
  process.exit(2);
}

if (run(process.execPath, [MAIN, 'inspect', BASE], { stdio: 'ignore' }) !== 0) {
  if (tsbuild('bootstrap', BASE) !== 0) process.exit(1);
}
const context = makeContext();
const rows = [];
try {
  for (const name of names) {
    const start = Date.now();
    const file = join(context, `${name}${SUFFIX}`);
    const status = tsbuild('build', '--no-cache', '--progress', 'plain', '-f', file, context);
    rows.push({ name, passed: status === 0, seconds: Math.round((Date.now() - start) / 1000) });
  }
} finally {
  rmSync(context, { recursive: true });
}
console.table(rows);
process.exit(rows.every(({ passed }) => passed) ? 0 : 1);
