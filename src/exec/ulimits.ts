import { setrlimit } from '../sys/rlimit.js';
import type { Ulimit } from './run-spec.js';
import { ULIMITS } from './ulimit-names.js';

const INFINITY = 2n ** 64n - 1n;

/** Sets limits of this process; EPERM: a hard limit is to grow, and nobody allowed it. */
export function setUlimit({ name, soft, hard }: Ulimit): void {
  const resource = ULIMITS[name];
  if (resource === undefined) throw new Error(`Cannot set limit ${name}`);
  setrlimit(resource, { soft: boundOf(soft), hard: boundOf(hard) });
}

function boundOf(value: number | undefined): bigint {
  return value === undefined ? INFINITY : BigInt(value);
}
