import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The root of the checkout. */
export const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const DIST = join(ROOT, 'dist');
const SOURCE_FOLDERS = ['cmd', 'src', 'e2e', 'bench'];

/** Runs a program to its end and returns its exit code; 128 + n after signal n is not told. */
export function run(program, args, options = {}) {
  const { status, error } = spawnSync(program, args, { cwd: ROOT, stdio: 'inherit', ...options });
  if (error) throw error;
  return status ?? 1;
}

/** As {@link run}, but ends this process if the program fails. */
export function runOrExit(program, args, options) {
  const status = run(program, args, options);
  if (status !== 0) process.exit(status);
}

function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Whether node_modules holds what package-lock.json asks for. */
function modulesAreCurrent() {
  const wanted = readJson(join(ROOT, 'package-lock.json')).packages;
  const installed = readJson(join(ROOT, 'node_modules/.package-lock.json'))?.packages;
  if (installed === undefined) return false;
  return Object.entries(wanted).every(
    ([path, { version, optional }]) =>
      path === '' || optional || installed[path]?.version === version,
  );
}

/** Runs `npm ci`, which builds too, unless node_modules is current. */
export function ensureModules() {
  if (modulesAreCurrent()) return;
  console.log('+ npm ci');
  // This may run inside `npm test`: npm's own settings must not reach the inner npm.
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith('npm_')),
  );
  runOrExit('npm', ['ci', '--no-audit', '--no-fund'], { env });
}

/** Files below `dir` with this ending, as paths; none if `dir` does not exist. */
export function filesBelow(dir, ending) {
  if (!existsSync(dir)) return [];
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(ending))
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort();
}

/** Removes compiled files whose source is gone: they would still be found as tests. */
function removeStale() {
  for (const js of filesBelow(DIST, '.js')) {
    const stem = js.slice(0, -'.js'.length);
    if (existsSync(join(ROOT, `${relative(DIST, stem)}.ts`))) continue;
    for (const ending of ['.js', '.js.map', '.d.ts']) rmSync(stem + ending, { force: true });
  }
}

/** Makes the compiler forget its last run if one of its results has been removed since. */
function forgetIfIncomplete() {
  const sources = SOURCE_FOLDERS.flatMap((folder) => filesBelow(join(ROOT, folder), '.ts'));
  const isComplete = sources
    .filter((path) => !path.endsWith('.d.ts'))
    .every((path) => existsSync(join(DIST, relative(ROOT, path).replace(/\.ts$/, '.js'))));
  if (!isComplete) rmSync(join(DIST, 'tsconfig.tsbuildinfo'), { force: true });
}

/** Compiles what has changed into dist; ends this process if that fails. */
export function ensureBuilt() {
  removeStale();
  forgetIfIncomplete();
  runOrExit(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-b', '--pretty']);
  for (const program of ['cmd/main.js', 'cmd/overlayfs/main.js']) {
    if (existsSync(join(DIST, program))) chmodSync(join(DIST, program), 0o755);
  }
}
