import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';

import { AT_RECURSIVE, O_DIRECTORY, O_PATH } from '../sys/constants.js';
import { RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS } from '../sys/constants.js';
import type { Fd } from '../sys/fd.js';
import { openat, openat2, tryOpenat } from '../sys/file.js';
import { MNT_DETACH, MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC } from '../sys/mount.js';
import { MOUNT_ATTR_NOSUID, MOUNT_ATTR_RDONLY, MS_BIND, MS_NODEV } from '../sys/mount.js';
import { MS_NOEXEC, MS_NOSUID, MS_PRIVATE, MS_RDONLY, MS_REC } from '../sys/mount.js';
import { chdir, mount, mountSetattr, pivotRoot, umount2 } from '../sys/mount.js';
import { hasCode } from '../util/errors.js';
import type { CompleteSpec } from './messages.js';

/** Runs one step of the set-up; what it throws is reported under the name. */
export type Step = <T>(what: string, action: () => T) => T;

const HARDENED = MS_NOSUID | MS_NODEV | MS_NOEXEC;
const SYS_ATTRIBUTES = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;

/** Of /proc. Source: OCI runtime defaults (moby oci/defaults.go), and sys, irq, bus, fs. */
const PROC_READ_ONLY = ['bus', 'fs', 'irq', 'sys', 'sysrq-trigger'];
/** Hidden behind an empty file or directory. */
const MASKED = [
  ...['/proc/acpi', '/proc/asound', '/proc/interrupts', '/proc/kcore', '/proc/keys'],
  ...['/proc/latency_stats', '/proc/sched_debug', '/proc/scsi', '/proc/timer_list'],
  ...['/proc/timer_stats', '/sys/devices/virtual/powercap', '/sys/firmware'],
];

const DEVICES = ['null', 'zero', 'full', 'random', 'urandom', 'tty'];
const DEVICE_LINKS = [
  ['/proc/self/fd', 'fd'],
  ['/proc/self/fd/0', 'stdin'],
  ['/proc/self/fd/1', 'stdout'],
  ['/proc/self/fd/2', 'stderr'],
  ['pts/ptmx', 'ptmx'],
] as const;
/** The group `tty` of every distribution; the owner of terminals. */
const TTY_GID = 5;

/**
 * Makes `rootfs` this mount namespace's root, with /proc, /sys, /dev, resolv.conf and hosts in
 * place and nothing of the old root left. The caller is in a mount namespace of its own. Paths of
 * the image are resolved inside it, so no symlink of it leads out.
 */
export function enterRoot(spec: CompleteSpec, step: Step): void {
  step('make the mounts private', () => mount({ target: '/', flags: MS_REC | MS_PRIVATE }));
  using root = step(`open root "${spec.rootfs}"`, () => bindRoot(spec.rootfs));
  const at = new Root(root);
  step('mount network files', () => mountNetworkFiles(at, spec));
  step('mount "/proc"', () => mountProc(at));
  step('mount "/sys"', () => mountSys(at));
  step('mount "/dev"', () => mountDev(at));
  step('mask kernel files', () => MASKED.forEach((path) => mask(at, path)));
  step('change the root', () => pivot(root));
}

/** Mounts `rootfs` on itself: pivot_root wants a mount, and devices of an image are no devices. */
function bindRoot(rootfs: string): Fd {
  mount({ source: rootfs, target: rootfs, flags: MS_BIND | MS_REC });
  const root = openat(undefined, rootfs, O_PATH | O_DIRECTORY);
  mountSetattr(root, '', 0, { set: MOUNT_ATTR_NODEV });
  return root;
}

/** The directory that becomes the root, as long as the old one is still there. */
class Root {
  readonly #fd: Fd;

  constructor(fd: Fd) {
    this.#fd = fd;
  }

  /** An O_PATH descriptor of a path of the image; symlinks are followed inside it. */
  open(path: string): Fd {
    const resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
    return openat2(this.#fd, path, { flags: O_PATH, resolve });
  }

  /** Calls `action` with a path for mount(2) that names what {@link open} opens. */
  with<T>(path: string, action: (target: string) => T): T {
    using fd = this.open(path);
    return action(procPath(fd));
  }
}

/** A name of an open file that system calls resolve to exactly it. */
function procPath(fd: Fd): string {
  return `/proc/self/fd/${fd.raw}`;
}

/**
 * The files live in a tmpfs of their own, which the /dev that is mounted next covers for good.
 * They are copies of this RUN, so it may write to them, as it may in Docker.
 */
function mountNetworkFiles(root: Root, { hosts, resolvConf }: CompleteSpec): void {
  const data = 'mode=755,size=1m';
  root.with('/dev', (target) =>
    mount({ source: 'tmpfs', target, type: 'tmpfs', flags: HARDENED, data }),
  );
  using files = root.open('/dev');
  for (const [name, text, path] of [
    ['hosts', hosts, '/etc/hosts'],
    ['resolv.conf', resolvConf, '/etc/resolv.conf'],
  ] as const) {
    const source = `${procPath(files)}/${name}`;
    writeFileSync(source, text, { mode: 0o644 });
    root.with(path, (target) => mount({ source, target, flags: MS_BIND }));
  }
}

function mountProc(root: Root): void {
  root.with('/proc', (target) => mount({ source: 'proc', target, type: 'proc', flags: HARDENED }));
  for (const name of PROC_READ_ONLY) {
    ifPresent(() => {
      const path = `/proc/${name}`;
      root.with(path, (target) => mount({ source: target, target, flags: MS_BIND | MS_REC }));
      using bound = root.open(path);
      mountSetattr(bound, '', AT_RECURSIVE, { set: MOUNT_ATTR_RDONLY });
    });
  }
}

/** A fresh sysfs shows this network namespace; in a user namespace the host's one may refuse. */
function mountSys(root: Root): void {
  const flags = HARDENED | MS_RDONLY;
  try {
    root.with('/sys', (target) => mount({ source: 'sysfs', target, type: 'sysfs', flags }));
  } catch (error) {
    if (!hasCode(error, 'EPERM')) throw error;
    root.with('/sys', (target) => mount({ source: '/sys', target, flags: MS_BIND | MS_REC }));
    using bound = root.open('/sys');
    mountSetattr(bound, '', AT_RECURSIVE, { set: SYS_ATTRIBUTES });
  }
}

/** nodev, because a RUN has CAP_MKNOD: only what is bound here from the host is a device. */
function mountDev(root: Root): void {
  const flags = MS_NOSUID | MS_NODEV;
  const data = 'mode=755,size=64m';
  root.with('/dev', (target) => mount({ source: 'tmpfs', target, type: 'tmpfs', flags, data }));
  using dev = root.open('/dev');
  const dir = procPath(dev);
  for (const name of DEVICES) bindDevice(dir, name);
  for (const [target, name] of DEVICE_LINKS) symlinkSync(target, `${dir}/${name}`);
  for (const name of ['pts', 'shm', 'mqueue']) mkdirSync(`${dir}/${name}`);
  mountTerminals(`${dir}/pts`);
  const shm = { source: 'shm', target: `${dir}/shm`, type: 'tmpfs', flags: HARDENED };
  mount({ ...shm, data: 'mode=1777,size=64m' });
  mount({ source: 'mqueue', target: `${dir}/mqueue`, type: 'mqueue', flags: HARDENED });
}

/** A host without the device does without. */
function bindDevice(dir: string, name: string): void {
  using device = tryOpenat(undefined, `/dev/${name}`, O_PATH);
  if (device === undefined) return;
  const target = `${dir}/${name}`;
  writeFileSync(target, '');
  mount({ source: procPath(device), target, flags: MS_BIND });
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

function mask(root: Root, path: string): void {
  ifPresent(() => {
    using masked = root.open(path);
    const target = procPath(masked);
    try {
      const data = 'mode=755,size=0';
      mount({ source: 'tmpfs', target, type: 'tmpfs', flags: HARDENED | MS_RDONLY, data });
    } catch (error) {
      if (!hasCode(error, 'ENOTDIR')) throw error;
      root.with('/dev/null', (source) => mount({ source, target, flags: MS_BIND }));
    }
  });
}

/** Kernels differ in what /proc and /sys have. */
function ifPresent(action: () => void): void {
  try {
    action();
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
  }
}

/** Stacks the old root on the new one and detaches it. Source: pivot_root(2), NOTES. */
function pivot(root: Fd): void {
  chdir(procPath(root));
  pivotRoot('.', '.');
  umount2('.', MNT_DETACH);
  chdir('/');
}
