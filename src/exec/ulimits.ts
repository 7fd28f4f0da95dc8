import { getrlimit, setrlimit } from '../sys/rlimit.js';
import type { Ulimit } from './run-spec.js';
import { ULIMITS } from './ulimit-names.js';

const INFINITY = 2n ** 64n - 1n;

/** Sets limits of this process; EPERM: a hard limit is to grow, and nobody allowed it. */
export function setUlimit({ name, soft, hard }: Ulimit): void {
  const resource = ULIMITS[name];
  if (resource === undefined) throw new Error(`Cannot set limit ${name}`);
  setrlimit(resource, { soft: boundOf(soft), hard: boundOf(hard) });
}

/**
 * Keeps the memory of this process, and of what it starts, out of core dumps. Not by a limit of
 * 0, at which the kernel still hands a dump to the program that core_pattern may name: at 1 it
 * does not.
 */
export function forbidCoreDumps(): void {
  const resource = ULIMITS['core'] ?? 0;
  const { hard } = getrlimit(resource);
  setrlimit(resource, { soft: hard < 1n ? hard : 1n, hard });
}

function boundOf(value: number | undefined): bigint {
  return value === undefined ? INFINITY : BigInt(value);
}
