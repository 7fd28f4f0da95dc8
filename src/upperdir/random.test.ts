import assert from 'node:assert/strict';
import test from 'node:test';

import { S_IFLNK, S_IFMT } from '../sys/constants.js';
import { FsError } from '../sys/errno.js';
import type { Shell } from '../testing/overlay-fixture.js';
import { Random, seedOf } from '../testing/random.js';
import { UpperTrial } from '../testing/upper-trial.js';

const TRIALS = 20;
const MOUNTS = 4;
const OPERATIONS = 25;
const NAMES = ['a', 'b', 'd', 'e', 'f', 'old', 'sub', 'x'];
const RENAME_EXCHANGE = 2;
/** What an operation on paths that were picked blindly may answer. */
const EXPECTED = ['ENOENT', 'EEXIST', 'ENOTDIR', 'EISDIR', 'ENOTEMPTY', 'EINVAL', 'EPERM', 'ELOOP'];

/** Does one thing; returns it as text. */
function operate(shell: Shell, random: Random): string {
  const path = (): string => {
    const depth = 1 + random.below(3);
    return Array.from({ length: depth }, () => `/${random.pick(NAMES)}`).join('');
  };
  const [from, to, number] = [path(), path(), random.below(1000)];
  const operations: readonly (readonly [string, () => void])[] = [
    [`mkdir ${to}`, () => void shell.mkdir(to)],
    [`write ${to} ${number}`, () => shell.write(to, String(number).repeat(random.below(300)))],
    [`pwrite ${to} ${number}`, () => shell.pwrite(to, String(number), number)],
    [`mv ${from} ${to}`, () => shell.mv(from, to)],
    [`exchange ${from} ${to}`, () => shell.mv(from, to, RENAME_EXCHANGE)],
    [`ln ${from} ${to}`, () => shell.ln(from, to)],
    [`rm ${to}`, () => shell.rm(to)],
    [`rmRf ${to}`, () => shell.rmRf(to)],
    [`rmdir ${to}`, () => shell.rmdir(to)],
    [`symlink ${to}`, () => shell.symlink(from, to)],
    [`chmod ${to} ${number}`, () => chmod(shell, to, number & 0o777)],
    [`utimes ${to} ${number}`, () => shell.utimes(to, number - 500, number)],
    [`setxattr ${to} ${number}`, () => shell.setxattr(to, 'user.x', String(number))],
  ];
  const [text, run] = random.pick(operations);
  try {
    run();
    return text;
  } catch (error) {
    if (error instanceof FsError && EXPECTED.includes(error.code)) return `${text}: ${error.code}`;
    throw error;
  }
}

/** No kernel lets a file system change the mode of a symbolic link. */
function chmod(shell: Shell, path: string, mode: number): void {
  if ((shell.stat(path).mode & S_IFMT) !== S_IFLNK) shell.chmod(path, mode);
}

test('random changes are read as they were shown, mount after mount', (t) => {
  const seed = seedOf('TSBUILD_SEED');
  t.diagnostic(`TSBUILD_SEED=${seed}`);
  const random = new Random(seed);
  for (let trial = 0; trial < TRIALS; trial++) {
    const upper = new UpperTrial(t);
    const done: string[] = [];
    for (let mount = 0; mount < MOUNTS; mount++) {
      const shown = upper.mount((shell) => {
        done.push('mount');
        for (let at = 0; at < OPERATIONS; at++) done.push(operate(shell, random));
      });
      assert.deepEqual(upper.show(), shown, `TSBUILD_SEED=${seed}: ${done.join('; ')}`);
    }
  }
});
