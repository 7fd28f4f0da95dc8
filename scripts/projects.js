// npm run projects [-- NAME...]: builds the images of fixtures/projects, Buildfiles in the manner
// of well-known projects, and runs each one's smoke test. Needs minutes and the network: by hand.
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { QUICKSTART_PROGRAMS, ensurePrograms } from './lib/packages.js';
import { ROOT, ensureBuilt, ensureModules, run } from './lib/project.js';

const BASE = 'debian:bookworm';
const FIXTURES = join(ROOT, 'fixtures/projects');
const MAIN = join(ROOT, 'dist/cmd/main.js');
const tagOf = (name) => `project-${name}`;

function tsbuild(args, options) {
  return spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8', ...options });
}

function textOf(name, file) {
  const path = join(FIXTURES, name, file);
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}

/** The projects that a project's image is made from. */
function needsOf(name) {
  return [...textOf(name, 'Buildfile').matchAll(/=project-([a-z]+)$/gm)].map(([, other]) => other);
}

function inOrder(names) {
  const ordered = new Set();
  const add = (name) => {
    needsOf(name).forEach(add);
    ordered.add(name);
  };
  names.forEach(add);
  return [...ordered];
}

/** Builds in a copy, where `setup` may make files of the context. */
function build(name, parent) {
  const dir = join(parent, name);
  const context = join(dir, 'context');
  cpSync(join(FIXTURES, name), dir, { recursive: true });
  // Some have none: git keeps no empty directories.
  mkdirSync(context, { recursive: true });
  if (existsSync(join(dir, 'setup'))) spawnSync('sh', ['-eu', '../setup'], { cwd: context });
  const args = ['build', '--progress', 'plain', '-f', join(dir, 'Buildfile'), '-t', tagOf(name)];
  return tsbuild([...args, context], { stdio: 'inherit' }).status === 0;
}

/** Runs the words of `smoke`, one a line, in the image. */
function smoke(name) {
  const words = textOf(name, 'smoke').trim().split('\n');
  const result = tsbuild(['run', '--entrypoint', words[0], tagOf(name), ...words.slice(1)]);
  const said = `${result.stdout}${result.stderr}`.trim().split('\n')[0];
  return { passed: result.status === 0, said };
}

ensureModules();
ensureBuilt();
if (!ensurePrograms(QUICKSTART_PROGRAMS)) process.exit(1);

const known = readdirSync(FIXTURES).filter((name) => existsSync(join(FIXTURES, name, 'Buildfile')));
const names = process.argv.length > 2 ? process.argv.slice(2) : known;
const unknown = names.filter((name) => !known.includes(name));
if (unknown.length > 0) {
  console.error(`Cannot find ${unknown.join(', ')}, want some of ${known.join(', ')}`);
  process.exit(2);
}

if (run(process.execPath, [MAIN, 'inspect', BASE], { stdio: 'ignore' }) !== 0) {
  if (run(process.execPath, [MAIN, 'bootstrap', BASE]) !== 0) process.exit(1);
}
const parent = mkdtempSync(join(tmpdir(), 'tsbuild-projects-'));
const rows = [];
try {
  for (const name of inOrder(names)) {
    const start = Date.now();
    const built = build(name, parent);
    const seconds = Math.round((Date.now() - start) / 1000);
    const { passed, said } = built ? smoke(name) : { passed: false, said: '' };
    rows.push({ name, built, passed, seconds, said });
  }
} finally {
  rmSync(parent, { recursive: true });
}
console.table(rows);
process.exit(rows.every(({ passed }) => passed) ? 0 : 1);
