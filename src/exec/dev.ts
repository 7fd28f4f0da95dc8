import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';

import { O_PATH } from '../sys/constants.js';
import { fchmodat, mknodat } from '../sys/directory.js';
import type { Fd } from '../sys/fd.js';
import { openat, tryOpenat } from '../sys/file.js';
import { MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC, MS_BIND } from '../sys/mount.js';
import { MS_NODEV, MS_NOEXEC, MS_NOSUID, mount, mountSetattr } from '../sys/mount.js';
import { fstat } from '../sys/stat.js';
import { hasCode } from '../util/errors.js';
import { HARDENED, procPath } from './root-paths.js';
import type { Root } from './root-paths.js';

const DEVICES = ['null', 'zero', 'full', 'random', 'urandom', 'tty'];
/** What a RUN with all privileges has besides, where the host has it. */
const INSECURE_DEVICES = [
  ...['fuse', 'kvm', 'loop-control'],
  ...Array.from({ length: 8 }, (_, number) => `loop${number}`),
];
const SHM_BYTES = 64 * 1024 * 1024;
const DEVICE_LINKS = [
  ['/proc/self/fd', 'fd'],
  ['/proc/self/fd/0', 'stdin'],
  ['/proc/self/fd/1', 'stdout'],
  ['/proc/self/fd/2', 'stderr'],
  ['pts/ptmx', 'ptmx'],
] as const;
/** The group `tty` of every distribution; the owner of terminals. */
const TTY_GID = 5;
const DEVICE_MODE = 0o666;

/** What /dev holds besides the devices. */
export interface DevContents {
  /** The caller's terminal, which becomes /dev/console so that ttyname(3) has a name for it. */
  readonly terminal: string | undefined;
  /** Executable files of /dev/pipes. */
  readonly scripts: Readonly<Record<string, string>>;
  readonly shmSizeBytes: number | undefined;
  /** Also devices that give power over the host. */
  readonly insecure: boolean;
}

/** Mounts /dev: nodev, because a RUN has CAP_MKNOD; only what is bound here is a device. */
export function mountDev(root: Root, files: Fd, contents: DevContents): void {
  const { terminal, scripts, shmSizeBytes = SHM_BYTES, insecure } = contents;
  const flags = MS_NOSUID | MS_NODEV;
  const data = 'mode=755,size=64m';
  root.with('/dev', (target) => mount({ source: 'tmpfs', target, type: 'tmpfs', flags, data }));
  using dev = root.open('/dev');
  const dir = procPath(dev);
  for (const name of insecure ? [...DEVICES, ...INSECURE_DEVICES] : DEVICES)
    addDevice(dir, procPath(files), name);
  for (const [target, name] of DEVICE_LINKS) symlinkSync(target, `${dir}/${name}`);
  for (const name of ['pts', 'shm', 'mqueue']) mkdirSync(`${dir}/${name}`);
  mountTerminals(`${dir}/pts`);
  if (terminal !== undefined) {
    writeFileSync(`${dir}/console`, '');
    mount({ source: terminal, target: `${dir}/console`, flags: MS_BIND });
  }
  const shm = { source: 'shm', target: `${dir}/shm`, type: 'tmpfs', flags: HARDENED };
  mount({ ...shm, data: `mode=1777,size=${shmSizeBytes}` });
  mount({ source: 'mqueue', target: `${dir}/mqueue`, type: 'mqueue', flags: HARDENED });
  addScripts(`${dir}/pipes`, scripts);
}

/** Where Docker has the scripts of a RUN's heredocs. */
function addScripts(dir: string, scripts: Readonly<Record<string, string>>): void {
  const entries = Object.entries(scripts);
  if (entries.length > 0) mkdirSync(dir);
  for (const [name, text] of entries) {
    const path = `${dir}/${basename(name)}`;
    writeFileSync(path, text);
    chmodSync(path, 0o755);
  }
}

/**
 * The command gets a device node of its own where this process may make one: as root it could
 * change the mode of the host's. In a user namespace it cannot, and the host's is bound. A host
 * without the device does without. `files` is nodev as a whole, its devices' mounts are not.
 */
function addDevice(dir: string, files: string, name: string): void {
  using device = tryOpenat(undefined, `/dev/${name}`, O_PATH);
  if (device === undefined) return;
  const target = `${dir}/${name}`;
  writeFileSync(target, '');
  const made = `${files}/${name}`;
  const { mode, rdevMajor, rdevMinor } = fstat(device);
  try {
    mknodat(undefined, made, mode, rdevMajor, rdevMinor);
  } catch (error) {
    if (!hasCode(error, 'EPERM')) throw error;
    mount({ source: procPath(device), target, flags: MS_BIND });
    return;
  }
  fchmodat(undefined, made, DEVICE_MODE);
  mount({ source: made, target, flags: MS_BIND });
  using bound = openat(undefined, target, O_PATH);
  mountSetattr(bound, '', 0, { clear: MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC });
}

function mountTerminals(target: string): void {
  const flags = MS_NOSUID | MS_NOEXEC;
  const devpts = { source: 'devpts', target, type: 'devpts', flags };
  const data = 'newinstance,ptmxmode=0666,mode=0620';
  try {
    mount({ ...devpts, data: `${data},gid=${TTY_GID}` });
  } catch (error) {
    // The group is outside the user namespace.
    if (!hasCode(error, 'EINVAL')) throw error;
    mount({ ...devpts, data });
  }
}
