import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';

import { hasCode } from '../../util/errors.js';

/**
 * What a file system must do: makes what it needs in the working directory, which is empty and
 * may be left as it is, and throws where something is not so. For root, with umask 022.
 */
export type Check = () => void;
/** Checks by what they show. */
export type Checks = Readonly<Record<string, Check>>;

/** Asserts that something fails with one of these codes. */
export function fails(codes: string | readonly string[], action: () => unknown): void {
  const wanted = [codes].flat();
  try {
    action();
  } catch (error) {
    if (hasCode(error, ...wanted)) return;
    throw new Error(`fails with ${String(error)}, want ${wanted.join(' or ')}`, { cause: error });
  }
  throw new Error(`succeeds, want ${wanted.join(' or ')}`);
}

/** Makes a file. */
export function write(path: string | Buffer, data: string | Buffer = ''): void {
  fs.writeFileSync(path, data);
}

/** A file's text. */
export function text(path: string | Buffer): string {
  return fs.readFileSync(path, 'latin1');
}

/** The permission bits of a file. */
export function modeOf(path: string): number {
  return fs.lstatSync(path).mode & 0o7777;
}

/** The number of a file's names. */
export function nlinkOf(path: string): number {
  return fs.lstatSync(path).nlink;
}

/** The inode number of a file. */
export function inoOf(path: string): number {
  return fs.lstatSync(path).ino;
}

/** Works with an open file, and closes it. */
export function withFd<T>(path: string, flags: number | string, use: (fd: number) => T): T {
  const fd = fs.openSync(path, flags);
  try {
    return use(fd);
  } finally {
    fs.closeSync(fd);
  }
}

/** Acts as another user, without further groups. */
export function asUser(uid: number, gid: number, action: () => void): void {
  const { setegid, seteuid, setgroups } = process;
  assert(setegid !== undefined && seteuid !== undefined && setgroups !== undefined);
  const groups = process.getgroups?.() ?? [];
  setgroups([]);
  setegid(gid);
  seteuid(uid);
  try {
    action();
  } finally {
    seteuid(0);
    setegid(0);
    setgroups(groups);
  }
}

/** Runs a program with another working state of the kernel: what it says. */
export function run(program: string, ...args: string[]): string {
  return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

/** For what Node lacks. */
export function python(script: string): void {
  run('python3', '-c', script);
}

/** Waits until the kernel's clock for files has moved on. */
export function tick(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 12);
}

/** Modification and change time in nanoseconds. */
export function timesOf(path: string): { mtime: bigint; ctime: bigint; atime: bigint } {
  const { mtimeNs, ctimeNs, atimeNs } = fs.lstatSync(path, { bigint: true });
  return { mtime: mtimeNs, ctime: ctimeNs, atime: atimeNs };
}

/** Asserts that an action changes the modification and change times of a file, or only one. */
export function stamps(path: string, which: 'both' | 'ctime' | 'none', action: () => void): void {
  const before = timesOf(path);
  tick();
  action();
  const after = timesOf(path);
  assert.equal(after.mtime > before.mtime, which === 'both', `mtime of ${path}`);
  assert.equal(after.ctime > before.ctime, which !== 'none', `ctime of ${path}`);
}
