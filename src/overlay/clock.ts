import type { Time } from '../fuse/filesystem.js';
import { realtimeCoarse } from '../sys/clock.js';
import type { Node } from './node.js';

/** Where the tree takes the time from. */
export type Clock = () => Time;

/** Later than any clock tick, in nanoseconds. */
const TICK_NS = 20_000_000;

/**
 * The clock that the kernel stamps files with: one of another granularity would put a file that
 * the kernel stamps (by writing) before one that we stamped earlier.
 */
export const kernelClock: Clock = realtimeCoarse;

/** Sets mtime and ctime of a directory whose entries changed. */
export function stampEntries(dir: Node, now: Time): void {
  let { sec, nsec } = now;
  // The kernel reads a cached listing again only if mtime differs: never the same one twice.
  const ahead = (dir.mtimeSec - sec) * 1e9 + (dir.mtimeNsec - nsec);
  if (ahead >= 0 && ahead < TICK_NS) {
    sec = dir.mtimeSec;
    nsec = dir.mtimeNsec + 1;
    if (nsec === 1_000_000_000) {
      sec += 1;
      nsec = 0;
    }
  }
  dir.mtimeSec = dir.ctimeSec = sec;
  dir.mtimeNsec = dir.ctimeNsec = nsec;
}

/** Sets ctime. */
export function stampChange(node: Node, now: Time): void {
  node.ctimeSec = now.sec;
  node.ctimeNsec = now.nsec;
  node.pinned = true;
}

/** Sets mtime and ctime: the content changed. */
export function stampContent(node: Node, now: Time): void {
  node.mtimeSec = now.sec;
  node.mtimeNsec = now.nsec;
  stampChange(node, now);
}

/** Sets all times: the node is new. */
export function stampNew(node: Node, now: Time): void {
  node.atimeSec = now.sec;
  node.atimeNsec = now.nsec;
  stampContent(node, now);
}
