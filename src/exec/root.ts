import { existsSync, readlinkSync, writeFileSync } from 'node:fs';

import { AT_RECURSIVE, O_DIRECTORY, O_PATH } from '../sys/constants.js';
import type { Fd } from '../sys/fd.js';
import { openat } from '../sys/file.js';
import { MNT_DETACH, MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC } from '../sys/mount.js';
import { MOUNT_ATTR_NOSUID, MOUNT_ATTR_RDONLY, MS_BIND } from '../sys/mount.js';
import { MS_PRIVATE, MS_RDONLY, MS_REC } from '../sys/mount.js';
import { chdir, mount, mountSetattr, pivotRoot, umount2 } from '../sys/mount.js';
import { hasCode } from '../util/errors.js';
import { mountDev } from './dev.js';
import { inMountOrder, mountExtra, secretBytes } from './extra-mounts.js';
import type { CompleteSpec } from './messages.js';
import { HARDENED, Root, ifPresent, procPath } from './root-paths.js';

/** Runs one step of the set-up; what it throws is reported under the name. */
export type Step = <T>(what: string, action: () => T) => T;

const SYS_ATTRIBUTES = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;

/** Of /proc. Source: OCI runtime defaults (moby oci/defaults.go), and sys, irq, bus, fs. */
const PROC_READ_ONLY = ['bus', 'fs', 'irq', 'sys', 'sysrq-trigger'];
/** For network files and devices, besides the secrets. */
const FILES_BYTES = 1024 * 1024;
/** Hidden behind an empty file or directory. */
const MASKED = [
  ...['/proc/acpi', '/proc/asound', '/proc/interrupts', '/proc/kcore', '/proc/keys'],
  ...['/proc/latency_stats', '/proc/sched_debug', '/proc/scsi', '/proc/timer_list'],
  ...['/proc/timer_stats', '/sys/devices/virtual/powercap', '/sys/firmware'],
];

/**
 * Makes `rootfs` this mount namespace's root, with /proc, /sys, /dev, resolv.conf and hosts in
 * place and nothing of the old root left. The caller is in a mount namespace of its own. Paths of
 * the image are resolved inside it, so no symlink of it leads out.
 */
export function enterRoot(spec: CompleteSpec, step: Step): void {
  step('make the mounts private', () => mount({ target: '/', flags: MS_REC | MS_PRIVATE }));
  using root = step(`open root "${spec.rootfs}"`, () => bindRoot(spec.rootfs));
  const at = new Root(root);
  const { insecure = false, mounts = [], scripts = {}, shmSizeBytes } = spec;
  using files = step('mount a place for files', () => mountFiles(at, secretBytes(mounts)));
  step('mount network files', () => mountNetworkFiles(at, files, spec));
  step('mount "/proc"', () => mountProc(at, insecure ? [] : PROC_READ_ONLY));
  step('mount "/sys"', () => mountSys(at, insecure));
  const terminal = spec.tty === true ? findTerminal() : undefined;
  const dev = { terminal, scripts, shmSizeBytes, insecure };
  step('mount "/dev"', () => mountDev(at, files, dev));
  if (!insecure) step('mask kernel files', () => MASKED.forEach((path) => mask(at, path)));
  for (const [number, extra] of inMountOrder(mounts).entries()) {
    step(`mount a ${extra.kind} on "${extra.target}"`, () =>
      mountExtra({ root: at, files }, extra, number),
    );
  }
  step('change the root', () => pivot(root));
}

/** Mounts `rootfs` on itself: pivot_root wants a mount, and devices of an image are no devices. */
function bindRoot(rootfs: string): Fd {
  mount({ source: rootfs, target: rootfs, flags: MS_BIND | MS_REC });
  const root = openat(undefined, rootfs, O_PATH | O_DIRECTORY);
  mountSetattr(root, '', 0, { set: MOUNT_ATTR_NODEV });
  return root;
}

/**
 * A tmpfs for files that are mounted singly; the /dev that is mounted next covers it for good. Its
 * files are this RUN's own, so it may write to them, as it may in Docker.
 */
function mountFiles(root: Root, secretBytes: number): Fd {
  const data = `mode=755,size=${FILES_BYTES + secretBytes}`;
  root.with('/dev', (target) =>
    mount({ source: 'tmpfs', target, type: 'tmpfs', flags: HARDENED, data }),
  );
  return root.open('/dev');
}

function mountNetworkFiles(root: Root, files: Fd, { hosts, resolvConf }: CompleteSpec): void {
  for (const [name, text] of [
    ['hosts', hosts],
    ['resolv.conf', resolvConf],
  ] as const) {
    const source = `${procPath(files)}/${name}`;
    writeFileSync(source, text, { mode: 0o644 });
    root.with(`/etc/${name}`, (target) => mount({ source, target, flags: MS_BIND }));
  }
}

function mountProc(root: Root, readOnly: readonly string[]): void {
  root.with('/proc', (target) => mount({ source: 'proc', target, type: 'proc', flags: HARDENED }));
  for (const name of readOnly) {
    ifPresent(() => {
      const path = `/proc/${name}`;
      root.with(path, (target) => mount({ source: target, target, flags: MS_BIND | MS_REC }));
      using bound = root.open(path);
      mountSetattr(bound, '', AT_RECURSIVE, { set: MOUNT_ATTR_RDONLY });
    });
  }
}

/** A fresh sysfs shows this network namespace; in a user namespace the host's one may refuse. */
function mountSys(root: Root, writable: boolean): void {
  const flags = HARDENED | (writable ? 0 : MS_RDONLY);
  try {
    root.with('/sys', (target) => mount({ source: 'sysfs', target, type: 'sysfs', flags }));
  } catch (error) {
    if (!hasCode(error, 'EPERM')) throw error;
    root.with('/sys', (target) => mount({ source: '/sys', target, flags: MS_BIND | MS_REC }));
    using bound = root.open('/sys');
    const set = writable ? SYS_ATTRIBUTES & ~MOUNT_ATTR_RDONLY : SYS_ATTRIBUTES;
    mountSetattr(bound, '', AT_RECURSIVE, { set });
  }
}

/** The device of standard input, if that is a terminal of the old root. */
function findTerminal(): string | undefined {
  const path = readlinkSync('/proc/self/fd/0');
  return path.startsWith('/dev/') && existsSync(path) ? path : undefined;
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

/** Stacks the old root on the new one and detaches it. Source: pivot_root(2), NOTES. */
function pivot(root: Fd): void {
  chdir(procPath(root));
  pivotRoot('.', '.');
  umount2('.', MNT_DETACH);
  chdir('/');
}
