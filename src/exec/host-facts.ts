import { accessSync, constants, readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';

import { CAP, capget } from '../sys/credentials.js';
import { hasCode } from '../util/errors.js';

/** Where administrators' tools are, whatever the user's PATH says. */
const SYSTEM_PATH = '/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin';

/** The path of a program, from PATH and then the system's directories; undefined: not there. */
export function findTool(name: string, path: string = process.env.PATH ?? ''): string | undefined {
  for (const dir of `${path}:${SYSTEM_PATH}`.split(':')) {
    if (!dir.startsWith('/')) continue;
    const file = join(dir, name);
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch (error) {
      if (!hasCode(error, 'ENOENT', 'ENOTDIR', 'EACCES', 'ELOOP')) throw error;
    }
  }
  return undefined;
}

/** A file's text, or undefined where there is none or it may not be read. */
export function readTextIfAny(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR', 'EACCES', 'EPERM')) return undefined;
    throw error;
  }
}

/** A kernel setting, trimmed: `sysctl('user/max_user_namespaces')`. */
export function sysctl(name: string): string | undefined {
  return readTextIfAny(`/proc/sys/${name}`)?.trim();
}

/** Whether this process may mount without a user namespace: root, but for some containers. */
export function isPrivileged(): boolean {
  return (capget().effective & (1n << BigInt(CAP.SYS_ADMIN))) !== 0n;
}

/** Whether a seccomp filter applies, as in a container. */
export function hasSeccompFilter(): boolean {
  return /^Seccomp:\s*2$/m.test(readTextIfAny('/proc/self/status') ?? '');
}

/** The invoking user, by number where /etc/passwd has no name. */
export function currentUser(): { readonly uid: number; readonly name: string } {
  try {
    const { uid, username } = userInfo();
    return { uid, name: username };
  } catch (error) {
    if (!hasCode(error, 'ERR_SYSTEM_ERROR')) throw error;
    const uid = process.getuid?.() ?? 0;
    return { uid, name: String(uid) };
  }
}

/** One `name:start:count` line of /etc/subuid or /etc/subgid. */
export interface SubordinateIds {
  readonly owner: string;
  readonly start: number;
  readonly count: number;
}

/** All well-formed lines. Format: subuid(5). */
export function parseSubordinateIds(text: string): SubordinateIds[] {
  return text.split('\n').flatMap((line) => {
    const [, owner, start, count] = /^([^:#\s]+):(\d+):(\d+)\s*$/.exec(line) ?? [];
    if (owner === undefined) return [];
    return [{ owner, start: Number(start), count: Number(count) }];
  });
}

/** Those that belong to a user, by name or number. */
export function subordinateIdsOf(
  ids: readonly SubordinateIds[],
  user: { readonly uid: number; readonly name: string },
): SubordinateIds[] {
  return ids.filter(({ owner }) => owner === user.name || owner === String(user.uid));
}

/** How many ids a usual image needs: those of a distribution, up to nobody's 65534. */
export const SUBORDINATE_COUNT = 65536;
const SUBORDINATE_START = 100000;

/** The command that gives a user subordinate ids that nobody has. */
export function usermodLine(name: string, taken: readonly SubordinateIds[]): string {
  const ends = taken.map(({ start, count }) => start + count);
  const start = Math.max(SUBORDINATE_START, ...ends);
  const range = `${start}-${start + SUBORDINATE_COUNT - 1}`;
  return `sudo usermod --add-subuids ${range} --add-subgids ${range} ${name}`;
}
