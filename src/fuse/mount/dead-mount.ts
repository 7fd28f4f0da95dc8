import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { MNT_DETACH, UMOUNT_NOFOLLOW, umount2 } from '../../sys/mount.js';
import { hasCode } from '../../util/errors.js';

const MOUNT_TABLE = '/proc/self/mountinfo';
const MOUNTPOINT_FIELD = 4;
const RETRY_MS = 20;

/** The type, as in the mount table, of what is mounted on top of a path; undefined: nothing. */
export function mountTypeOn(mountpoint: string): string | undefined {
  let type: string | undefined;
  for (const line of fs.readFileSync(MOUNT_TABLE, 'utf8').split('\n')) {
    const [fields = '', rest = ''] = line.split(' - ');
    if (unescapeField(fields.split(' ')[MOUNTPOINT_FIELD] ?? '') === mountpoint) {
      type = rest.split(' ')[0];
    }
  }
  return type;
}

/** The kernel writes blanks and backslashes of the mount table in octal. */
function unescapeField(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
}

/**
 * The path of a mount point without links, as the mount table has it; also of a dead mount, which
 * answers nothing. Throws as realpath(3) does.
 */
export function realMountpoint(mountpoint: string): string {
  try {
    return fs.realpathSync(mountpoint);
  } catch (error) {
    if (!hasCode(error, 'ENOTCONN', 'ECONNABORTED')) throw error;
    const { dir, base } = path.parse(path.resolve(mountpoint));
    return path.join(fs.realpathSync(dir), base);
  }
}

/**
 * Takes dead mounts of the type (`fuse.<subtype>`), whose server is gone, off an absolute path,
 * top first; returns their number. A server that is just dying gets `waitMs` for that. What else
 * is mounted there stays. Do not call it where the mount's own server is this process.
 */
export async function unmountDead(
  mountpoint: string,
  { type, waitMs = 0 }: { type: string; waitMs?: number },
): Promise<number> {
  const deadline = Date.now() + waitMs;
  for (let count = 0; ;) {
    if (mountTypeOn(mountpoint) !== type) return count;
    if (await isDead(mountpoint)) {
      umount2(mountpoint, MNT_DETACH | UMOUNT_NOFOLLOW);
      count += 1;
    } else if (Date.now() >= deadline) {
      return count;
    } else {
      await sleep(RETRY_MS);
    }
  }
}

/** Asks for what no kernel keeps: attributes and listings may outlive the server. */
async function isDead(mountpoint: string): Promise<boolean> {
  try {
    await fs.promises.statfs(mountpoint);
    return false;
  } catch (error) {
    if (hasCode(error, 'ENOTCONN', 'ECONNABORTED')) return true;
    if (hasCode(error, 'ENOENT')) return false;
    throw error;
  }
}
