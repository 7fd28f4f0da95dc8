import { accessSync, constants, openSync, closeSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

/** What a test may need of the machine: `root`, `fuse`, or a program, library, package by name. */
export type Requirement =
  'root' | 'fuse' | `program:${string}` | `library:${string}` | `package:${string}`;

const PROGRAM_DIRS = [
  ...(process.env['PATH'] ?? '').split(':').filter((dir) => dir !== ''),
  '/usr/local/sbin',
  '/usr/sbin',
  '/sbin',
];

function hasProgram(name: string): boolean {
  return PROGRAM_DIRS.some((dir) => {
    try {
      accessSync(join(dir, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Whether the dynamic linker knows a shared library, by its soname. */
function hasLibrary(soname: string): boolean {
  const { stdout } = spawnSync('/sbin/ldconfig', ['-p'], { encoding: 'utf8' });
  return stdout.split('\n').some((line) => line.trim().startsWith(`${soname} `));
}

function hasPackage(name: string): boolean {
  try {
    createRequire(import.meta.url).resolve(name);
    return true;
  } catch {
    return false;
  }
}

function canOpenFuse(): boolean {
  try {
    closeSync(openSync('/dev/fuse', 'r+'));
    return true;
  } catch {
    return false;
  }
}

/** Why `requirement` is not met on this machine; undefined if it is. */
function findLack(requirement: Requirement): string | undefined {
  if (requirement === 'root') return process.getuid?.() === 0 ? undefined : 'needs root';
  if (requirement === 'fuse') return canOpenFuse() ? undefined : 'needs /dev/fuse';
  const [kind = '', name = ''] = requirement.split(':');
  const has = { program: hasProgram, library: hasLibrary, package: hasPackage }[kind];
  return has?.(name) === true ? undefined : `needs the ${kind} ${name}`;
}

/**
 * Whether the machine has what a test needs. If not, the test is marked as skipped with the
 * reason; under continuous integration (`CI=true`) it fails instead. Use as
 * `if (!requires(t, 'fuse')) return;`.
 */
export function requires(t: TestContext, ...requirements: Requirement[]): boolean {
  const lacks = requirements.map(findLack).filter((lack) => lack !== undefined);
  if (lacks.length === 0) return true;
  const reason = lacks.join(', ');
  if (process.env['CI'] === 'true') throw new Error(`Cannot run this test: ${reason}`);
  t.skip(reason);
  return false;
}
