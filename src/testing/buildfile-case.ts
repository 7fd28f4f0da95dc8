import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, lstatSync, lutimesSync, mkdirSync } from 'node:fs';
import { readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TYPE } from '../tar/header.js';
import { archive } from './tar-archive.js';

/** One folder of fixtures/buildfiles, made ready: see the README there. */
export interface BuildfileCase {
  readonly name: string;
  /** A copy of the folder, with its context; the working directory of the build. */
  readonly dir: string;
  /** The command line behind `build`. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** The time of every file of a context. */
const FILE_TIME = 1_600_000_000;
/** Makes all times the same ones, but those before it. */
const EPOCH = '1700000000';

/** The context of a case that has none of its own: content and mode by path. */
const FILES: Readonly<Record<string, readonly [content: string, mode?: number]>> = {
  'a.txt': ['a\n'],
  'b.txt': ['b\n'],
  'run.sh': ['#!/bin/sh\n', 0o755],
  secret: ['secret\n', 0o400],
  'dir/one': ['1\n'],
  'dir/.hidden': ['hidden\n'],
  'dir/sub/two': ['2\n', 0o600],
  'dir/sub/three': ['3\n'],
  'other/z.go': ['go\n'],
  'other/y.md': ['md\n'],
  'a dir/a file': ['blank\n'],
};
const LINKS: Readonly<Record<string, string>> = {
  'dir/link': 'sub/two',
  tofile: 'a.txt',
  todir: 'dir',
};
const TIMES = { mtime: 1_500_000_000 };
const ARCHIVE = archive([
  { name: 'td/', typeflag: TYPE.directory, mode: 0o750, uid: 3, gid: 4, ...TIMES },
  { name: 'td/f', data: 'f\n', mode: 0o4755, uid: 5, gid: 6, ...TIMES },
  { name: 'td/sym', typeflag: TYPE.symlink, linkname: 'f', mode: 0o777, ...TIMES },
  { name: 'td/hard', typeflag: TYPE.link, linkname: 'td/f', ...TIMES },
  { name: 'implied/x/y', data: 'y\n', ...TIMES },
]);

/**
 * Copies a fixture to `dir` with modes and times that do not depend on the checkout, gives it a
 * context if it has none, and runs its `setup`.
 */
export function prepareCase(fixture: string, dir: string, name: string): BuildfileCase {
  cpSync(fixture, dir, { recursive: true, verbatimSymlinks: true });
  const context = join(dir, 'context');
  settleModes(dir);
  if (!existsSync(context)) makeContext(context);
  settleTimes(dir);
  if (existsSync(join(dir, 'setup'))) execFileSync('sh', ['-eu', 'setup'], { cwd: dir });
  const words = linesOf(join(dir, 'options'));
  const end = words.indexOf('--');
  const options = end < 0 ? words : words.slice(0, end);
  const file = options.some((word) => /^(?:-f|--file(?:=|$))/.test(word))
    ? []
    : ['-f', 'Buildfile'];
  const contextWord = end < 0 ? 'context' : (words[end + 1] ?? '');
  const args = [...file, '-t', name, '--progress', 'plain', ...options, contextWord];
  const env = linesOf(join(dir, 'env')).map((line) => splitOnce(line));
  return { name, dir, args, env: { SOURCE_DATE_EPOCH: EPOCH, ...Object.fromEntries(env) } };
}

function splitOnce(line: string): [string, string] {
  const at = line.indexOf('=');
  return [line.slice(0, at), line.slice(at + 1)];
}

function linesOf(file: string): string[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n');
  return lines.filter((line) => line !== '' && !line.startsWith('#'));
}

function makeContext(context: string): void {
  for (const name of ['dir/sub', 'dir/empty', 'other', 'a dir']) {
    mkdirSync(join(context, name), { recursive: true });
  }
  for (const [name, [content, mode = 0o644]] of Object.entries(FILES)) {
    writeFileSync(join(context, name), content);
    chmodSync(join(context, name), mode);
  }
  for (const [name, target] of Object.entries(LINKS)) symlinkSync(target, join(context, name));
  writeFileSync(join(context, 'archive.tar'), ARCHIVE, { mode: 0o644 });
  for (const dir of ['dir/empty', 'dir/sub', 'dir', 'other', 'a dir', '.']) {
    chmodSync(join(context, dir), 0o755);
  }
}

/** What a checkout keeps of a mode is whether a file is executable. */
function settleModes(path: string): void {
  const stat = lstatSync(path);
  if (stat.isSymbolicLink()) return;
  chmodSync(path, stat.isDirectory() || (stat.mode & 0o100) !== 0 ? 0o755 : 0o644);
  if (stat.isDirectory()) for (const name of readdirSync(path)) settleModes(join(path, name));
}

function settleTimes(path: string): void {
  const isDirectory = lstatSync(path).isDirectory();
  if (isDirectory) for (const name of readdirSync(path)) settleTimes(join(path, name));
  lutimesSync(path, FILE_TIME, FILE_TIME);
}
