// npm run quickstart: from a bare clone to a Debian image built by tsbuild, and a look at it.
import { join } from 'node:path';
import { QUICKSTART_PROGRAMS, ensurePrograms } from './lib/packages.js';
import { ROOT, ensureBuilt, ensureModules, run, runOrExit } from './lib/project.js';

const BASE = 'debian:bookworm';
const IMAGE = 'quickstart';
const EXAMPLE = 'examples/quickstart';
const MAIN = join(ROOT, 'dist/cmd/main.js');

function tsbuild(...args) {
  console.log(`\n$ tsbuild ${args.join(' ')}`);
  runOrExit(process.execPath, [MAIN, ...args]);
}

function hasImage(name) {
  return run(process.execPath, [MAIN, 'inspect', name], { stdio: 'ignore' }) === 0;
}

ensureModules();
ensureBuilt();
if (!ensurePrograms(QUICKSTART_PROGRAMS)) process.exit(1);

tsbuild('doctor');
if (!hasImage(BASE)) tsbuild('bootstrap', BASE);
tsbuild('build', '-t', IMAGE, EXAMPLE);
tsbuild('images');
tsbuild('run', IMAGE, '/app/hello');
tsbuild('run', IMAGE, 'python3', '/app/hello.py');

const command = `node ${join('dist', 'cmd', 'main.js')}`;
const next = [
  [`build -t ${IMAGE} ${EXAMPLE}`, 'again: from the cache'],
  [`mount ${IMAGE}`, 'a shell that sees its files'],
  [`build -t ${IMAGE} -o type=docker,dest=q.tar ${EXAMPLE}`, 'for podman load, docker load'],
  ['--help', 'the other commands'],
];
const width = Math.max(...next.map(([words]) => words.length));
console.log(`
Next (npm link, or sudo npm link, puts tsbuild on your PATH; until then it is "${command}"):
${next.map(([words, what]) => `  tsbuild ${words.padEnd(width)}  ${what}`).join('\n')}`);
