import { check, libc } from './libc.js';

export const RLIMIT_NOFILE = 7;

/** The two bounds of a resource; RLIM_INFINITY is 2^64 - 1. */
export interface ResourceLimit {
  readonly soft: bigint;
  readonly hard: bigint;
}

/** prlimit(2): this process's limit. */
export function getrlimit(resource: number): ResourceLimit {
  const struct = Buffer.alloc(16);
  check(libc.prlimit(0, resource, null, struct), 'prlimit');
  return { soft: struct.readBigUInt64LE(0), hard: struct.readBigUInt64LE(8) };
}

/** prlimit(2): sets this process's limit; a hard bound cannot be raised again without privilege. */
export function setrlimit(resource: number, limit: ResourceLimit): void {
  const struct = Buffer.alloc(16);
  struct.writeBigUInt64LE(limit.soft, 0);
  struct.writeBigUInt64LE(limit.hard, 8);
  check(libc.prlimit(0, resource, struct, null), 'prlimit');
}
