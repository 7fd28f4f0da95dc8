import { spawnSync } from 'node:child_process';

import { UserError } from '../util/errors.js';
import { currentUser, findTool, hasSeccompFilter, isPrivileged } from './host-facts.js';
import { parseSubordinateIds, readTextIfAny, subordinateIdsOf, sysctl } from './host-facts.js';
import { usermodLine } from './host-facts.js';

/** What a container needs around tsbuild. */
const CONTAINER_HINT =
  'Start the container with --security-opt seccomp=unconfined --security-opt ' +
  'apparmor=unconfined --security-opt systempaths=unconfined --device /dev/fuse, or --privileged';
/** For an unshare that hangs: newuidmap may ask a directory service. */
const PROBE_TIMEOUT_MS = 10_000;

/** util-linux' unshare, and the options that make tsbuild's namespaces for this user. */
export interface UnshareCommand {
  readonly path: string;
  readonly options: readonly string[];
}

/** How this user enters tsbuild's namespaces. Throws UserError TSB_MISSING_TOOL. */
export function unshareCommand(): UnshareCommand {
  const path = requireTool('unshare', 'util-linux');
  requireTool('setpriv', 'util-linux');
  const mounts = ['--mount', '--propagation', 'private'];
  if (isPrivileged()) return { path, options: mounts };
  return { path, options: ['--user', '--map-root-user', '--map-auto', ...mounts] };
}

/** Throws what keeps `command` from working on this machine, found by trying it. */
export function checkNamespaces(command: UnshareCommand): void {
  if (!isPrivileged()) {
    checkUserNamespaces();
    checkSubordinateIds();
  }
  const { path, options } = command;
  const probe = spawnSync(path, [...options, '--', 'true'], {
    encoding: 'utf8',
    timeout: PROBE_TIMEOUT_MS,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  if (probe.status !== 0) throw refused(probe.stderr.trim() || `exit status ${probe.status ?? ''}`);
}

/** Throws TSB_NO_USERNS where the kernel is set to refuse user namespaces. */
export function checkUserNamespaces(): void {
  for (const [name, wanted] of [
    ['kernel/unprivileged_userns_clone', '1'],
    ['user/max_user_namespaces', '15000'],
  ] as const) {
    if (sysctl(name) !== '0') continue;
    const dotted = name.replace('/', '.');
    throw new UserError('TSB_NO_USERNS', `Cannot make a user namespace: ${dotted} is 0`, {
      hint: `sudo sysctl -w ${dotted}=${wanted}`,
    });
  }
}

/** Throws TSB_NO_SUBID where this user has no ids to map, or nothing that maps them. */
export function checkSubordinateIds(): void {
  const user = currentUser();
  // Ids may come from a directory service instead: nsswitch.conf(5), subid.
  const elsewhere = /^\s*subid:(?!\s*files\s*$)/m.test(readTextIfAny('/etc/nsswitch.conf') ?? '');
  for (const file of elsewhere ? [] : ['/etc/subuid', '/etc/subgid']) {
    const all = parseSubordinateIds(readTextIfAny(file) ?? '');
    if (subordinateIdsOf(all, user).length > 0) continue;
    const what = `Cannot map user ids: "${file}" has no line for ${user.name}`;
    throw new UserError('TSB_NO_SUBID', what, { hint: usermodLine(user.name, all) });
  }
  for (const tool of ['newuidmap', 'newgidmap']) {
    if (findTool(tool) !== undefined) continue;
    throw new UserError('TSB_NO_SUBID', `Cannot map user ids: "${tool}" is not installed`, {
      hint: 'sudo apt-get install uidmap',
    });
  }
}

function requireTool(name: string, debianPackage: string): string {
  const path = findTool(name);
  if (path !== undefined) return path;
  throw new UserError('TSB_MISSING_TOOL', `Cannot find "${name}": it is not installed`, {
    hint: `sudo apt-get install ${debianPackage}`,
  });
}

/** Explains what unshare said. */
function refused(said: string): UserError {
  if (/new[ug]idmap/.test(said)) {
    return new UserError('TSB_NO_SUBID', `Cannot map user ids: ${said}`, {
      hint: 'sudo apt-get install --reinstall uidmap (newuidmap must be set-user-ID root)',
    });
  }
  if (/unrecognized option|invalid option/.test(said)) {
    return new UserError('TSB_MISSING_TOOL', `Cannot use this "unshare": ${said}`, {
      hint: 'Install util-linux 2.38 or newer',
    });
  }
  const hint = refusalHint();
  const message = `Cannot make namespaces: ${said}`;
  return new UserError('TSB_NO_USERNS', message, hint === undefined ? {} : { hint });
}

function refusalHint(): string | undefined {
  if (!isPrivileged() && sysctl('kernel/apparmor_restrict_unprivileged_userns') === '1') {
    return 'sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0';
  }
  if (hasSeccompFilter() || isPrivileged()) return CONTAINER_HINT;
  return undefined;
}
