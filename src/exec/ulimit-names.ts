/** Names of `--ulimit` → RLIMIT_* numbers. Source: asm-generic/resource.h, docker run(1). */
export const ULIMITS: Readonly<Record<string, number>> = {
  cpu: 0,
  fsize: 1,
  data: 2,
  stack: 3,
  core: 4,
  rss: 5,
  nproc: 6,
  nofile: 7,
  memlock: 8,
  locks: 9,
  sigpending: 10,
  msgqueue: 11,
  nice: 12,
  rtprio: 13,
  rttime: 14,
};
