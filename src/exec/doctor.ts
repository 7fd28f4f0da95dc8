import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, openSync, statfsSync } from 'node:fs';
import { release } from 'node:os';
import { dirname, resolve } from 'node:path';

import { UserError, hasCode, messageOf } from '../util/errors.js';
import { findTool, isPrivileged, readTextIfAny, sysctl } from './host-facts.js';
import { checkNamespaces, checkSubordinateIds, checkUserNamespaces } from './preconditions.js';
import { unshareCommand } from './preconditions.js';

/** One thing that tsbuild needs or can use. */
export interface Finding {
  readonly name: string;
  /** `warning`: something tsbuild can do without. `missing`: builds fail. */
  readonly status: 'ok' | 'warning' | 'missing';
  readonly detail: string;
  /** The line to type. */
  readonly hint?: string;
}

/** What {@link examine} looks at besides the machine. */
export interface ExamineOptions {
  /** The local store, which need not exist yet. */
  readonly storeRoot: string;
}

type Verdict = Omit<Finding, 'name'>;

const SPACE_WANTED_BYTES = 2 * 1024 ** 3;
const PROBE_TIMEOUT_MS = 10_000;
/** mount_setattr(2). */
const KERNEL_MIN: Version = [5, 12];
/** unshare --map-auto. */
const UTIL_LINUX_MIN: Version = [2, 38];
/** FUSE over io_uring. */
const KERNEL_URING: Version = [6, 14];

/**
 * What this machine has and lacks for tsbuild, as the invoking user. Namespaces are tried, not
 * guessed. Call it outside tsbuild's own namespaces.
 */
export function examine({ storeRoot }: ExamineOptions): Promise<Finding[]> {
  const checks: readonly (readonly [string, () => Verdict])[] = [
    ['Node', examineNode],
    ['platform', examinePlatform],
    ['kernel', examineKernel],
    ['/dev/fuse', examineFuse],
    ['FUSE over io_uring', examineUring],
    ['util-linux', examineUtilLinux],
    ['user namespaces', examineUserNamespaces],
    ['subordinate ids', examineSubordinateIds],
    ['namespaces', examineNamespaces],
    ['/proc in a sandbox', examineProc],
    ['name servers', examineResolver],
    ['store', () => examineSpace(storeRoot)],
    ['bootstrap', () => examineTools(['mmdebstrap', 'debootstrap'], 'tsbuild bootstrap')],
    ['zstd', () => examineTools(['zstd'], 'layers compressed with zstd')],
    ['kernel overlayfs', examineOverlay],
  ];
  return Promise.resolve(checks.map(([name, check]) => ({ name, ...verdictOf(check) })));
}

/** A check that throws has found what is missing. */
function verdictOf(check: () => Verdict): Verdict {
  try {
    return check();
  } catch (error) {
    const hint = error instanceof UserError ? error.hint : undefined;
    return missing(messageOf(error), hint);
  }
}

function ok(detail: string): Verdict {
  return { status: 'ok', detail };
}

function missing(detail: string, hint?: string): Verdict {
  return { status: 'missing', detail, ...(hint !== undefined && { hint }) };
}

type Version = readonly [major: number, minor: number];

function parseVersion(text: string): Version | undefined {
  const [, major, minor] = /(\d+)\.(\d+)/.exec(text) ?? [];
  return major === undefined ? undefined : [Number(major), Number(minor)];
}

function atLeast(version: Version | undefined, [major, minor]: Version): boolean {
  if (version === undefined) return false;
  return version[0] > major || (version[0] === major && version[1] >= minor);
}

function examineNode(): Verdict {
  const version = parseVersion(process.version);
  const fine = version?.[0] === 20 ? atLeast(version, [20, 19]) : atLeast(version, [22, 12]);
  if (fine) return ok(process.version);
  return missing(`${process.version}, want ^20.19 or >=22.12`, 'Install Node 22 or newer');
}

function examinePlatform(): Verdict {
  const found = `${process.platform}/${process.arch}`;
  if (['linux/x64', 'linux/arm64'].includes(found)) return ok(found);
  return missing(`${found}, want linux/x64 or linux/arm64`);
}

function examineKernel(): Verdict {
  if (atLeast(parseVersion(release()), KERNEL_MIN)) return ok(release());
  return missing(`${release()}, want ${KERNEL_MIN.join('.')} or newer`);
}

function examineFuse(): Verdict {
  try {
    closeSync(openSync('/dev/fuse', 'r+'));
    return ok('/dev/fuse can be opened');
  } catch (error) {
    if (hasCode(error, 'EACCES', 'EPERM')) {
      return missing('/dev/fuse cannot be opened by this user', 'sudo chmod 666 /dev/fuse');
    }
    return missing(messageOf(error), 'sudo modprobe fuse (a container: --device /dev/fuse)');
  }
}

function examineUring(): Verdict {
  if (!atLeast(parseVersion(release()), KERNEL_URING)) {
    return ok(`not in kernel ${release()}: /dev/fuse is read and written instead`);
  }
  const flag = readTextIfAny('/sys/module/fuse/parameters/enable_uring')?.trim();
  if (flag === 'Y') return ok('enabled');
  return ok('the kernel has it, switched off (/sys/module/fuse/parameters/enable_uring)');
}

function examineUtilLinux(): Verdict {
  const { path } = unshareCommand();
  const { stdout } = spawnSync(path, ['--version'], { encoding: 'utf8' });
  if (atLeast(parseVersion(stdout), UTIL_LINUX_MIN)) return ok(stdout.trim());
  const wanted = UTIL_LINUX_MIN.join('.');
  return missing(`${stdout.trim()}, want ${wanted}`, `Install util-linux ${wanted} or newer`);
}

function examineUserNamespaces(): Verdict {
  if (isPrivileged()) return ok('not needed by root');
  checkUserNamespaces();
  const restricted = sysctl('kernel/apparmor_restrict_unprivileged_userns') === '1';
  return ok(`not switched off${restricted ? ', but restricted by AppArmor' : ''}`);
}

function examineSubordinateIds(): Verdict {
  if (isPrivileged()) return ok('not needed by root');
  checkSubordinateIds();
  return ok('/etc/subuid, /etc/subgid, newuidmap and newgidmap are there');
}

function examineNamespaces(): Verdict {
  const command = unshareCommand();
  checkNamespaces(command);
  return ok(`unshare ${command.options.join(' ')} works`);
}

/** A container that hides parts of its /proc keeps everybody inside from mounting a whole one. */
function examineProc(): Verdict {
  const command = unshareCommand();
  try {
    checkNamespaces(command);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { status: 'warning', detail: 'not tried, because namespaces cannot be made' };
  }
  const { path, options } = command;
  const args = [...options, '--pid', '--fork', '--mount-proc', '--', 'true'];
  const probe = spawnSync(path, args, { encoding: 'utf8', timeout: PROBE_TIMEOUT_MS });
  if (probe.status === 0) return ok('can be mounted');
  const hint = 'A container: start it with --security-opt systempaths=unconfined';
  return missing(probe.stderr.trim(), hint);
}

function examineResolver(): Verdict {
  const text = readTextIfAny('/etc/resolv.conf') ?? '';
  const servers = [...text.matchAll(/^\s*nameserver\s+(\S+)/gm)].map(([, server]) => server);
  if (servers.length > 0) return ok(servers.join(', '));
  const detail = '/etc/resolv.conf names none: commands cannot resolve host names';
  return { status: 'warning', detail };
}

function examineSpace(storeRoot: string): Verdict {
  let existing = resolve(storeRoot);
  while (!existsSync(existing)) existing = dirname(existing);
  const { bavail, bsize } = statfsSync(existing);
  const free = bavail * bsize;
  const detail = `${storeRoot}: ${(free / 1024 ** 3).toFixed(1)} GiB free`;
  if (free >= SPACE_WANTED_BYTES) return ok(detail);
  return { status: 'warning', detail, hint: 'tsbuild prune, or set TSBUILD_ROOT' };
}

/** One of several programs that do the same. */
function examineTools(names: readonly string[], purpose: string): Verdict {
  const path = names.map((name) => findTool(name)).find((found) => found !== undefined);
  if (path !== undefined) return ok(path);
  const detail = `${names.join(' or ')} not found: needed for ${purpose}`;
  return { status: 'warning', detail, hint: `sudo apt-get install ${names[0] ?? ''}` };
}

function examineOverlay(): Verdict {
  const known = /\boverlay$/m.test(readTextIfAny('/proc/filesystems') ?? '');
  return ok(known ? 'available' : 'not available (tsbuild does not need it)');
}
