import fs from 'node:fs';

import type { Caller } from '../fuse/filesystem.js';
import { hasCode } from '../util/errors.js';

/** Root, as who acts within the process. */
export const ROOT_CALLER: Caller = { uid: 0, gid: 0, pid: 0 };

/** Whether a caller may keep a set-gid bit of a group: one of its own, or root's business. */
export function mayKeepGroup({ uid, gid, pid }: Caller, group: number): boolean {
  return uid === 0 || gid === group || supplementaryGroups(pid).includes(group);
}

/** Requests tell only the first group. None where the process cannot be seen, or has ended. */
function supplementaryGroups(pid: number): readonly number[] {
  if (pid === 0) return [];
  try {
    const status = fs.readFileSync(`/proc/${pid}/status`, 'latin1');
    const line = /^Groups:(.*)$/m.exec(status)?.[1] ?? '';
    return line.split(/\s+/).filter(Boolean).map(Number);
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ESRCH', 'EACCES')) return [];
    throw error;
  }
}
