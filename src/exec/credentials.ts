import { CAP, capget, capabilitySet, capset, clearAmbientSet } from '../sys/credentials.js';
import { limitBoundingSet, setgroups, setresgid, setresuid } from '../sys/credentials.js';
import { joinNewSessionKeyring } from '../sys/keyring.js';
import { RLIMIT_NOFILE, getrlimit, setrlimit } from '../sys/rlimit.js';
import type { RunSpec, RunUser } from './run-spec.js';
import { forbidCoreDumps, setUlimit } from './ulimits.js';

/** Docker's default set. Source: moby, oci/caps/defaults.go. */
export const RUN_CAPABILITIES: readonly number[] = [
  ...[CAP.CHOWN, CAP.DAC_OVERRIDE, CAP.FSETID, CAP.FOWNER, CAP.MKNOD, CAP.NET_RAW],
  ...[CAP.SETGID, CAP.SETUID, CAP.SETFCAP, CAP.SETPCAP, CAP.NET_BIND_SERVICE],
  ...[CAP.SYS_CHROOT, CAP.KILL, CAP.AUDIT_WRITE],
];

/**
 * The soft limit of open files, under the host's hard one. Node raises its own to the hard limit
 * (a million is usual), and programs that close every possible descriptor, or use select(2),
 * break or crawl on that; those that need more raise it themselves.
 */
const OPEN_FILES_SOFT = 1024n;
const UMASK = 0o022;

type RunLimits = Pick<RunSpec, 'ulimits' | 'hasSecrets'>;

/** Sets the limits and the umask that a command starts with. */
export function limitResources({ ulimits = [], hasSecrets = false }: RunLimits = {}): void {
  process.umask(UMASK);
  if (hasSecrets) forbidCoreDumps();
  const { hard } = getrlimit(RLIMIT_NOFILE);
  setrlimit(RLIMIT_NOFILE, { soft: hard < OPEN_FILES_SOFT ? hard : OPEN_FILES_SOFT, hard });
  for (const ulimit of ulimits) setUlimit(ulimit);
}

/**
 * Gives the calling thread, and the program it becomes, these ids and no capability beyond
 * RUN_CAPABILITIES: uid 0 has them, others may gain them through set-user-ID programs (sudo), so
 * no_new_privs stays off. Inheritable and ambient sets are empty, as in Docker since 20.10.14. The
 * keys of the caller's session are left behind. `insecure`: every capability stays.
 */
export function becomeUser(
  { uid, gid, groups }: RunUser,
  { insecure = false }: { readonly insecure?: boolean } = {},
): void {
  joinNewSessionKeyring();
  if (!insecure) limitBoundingSet(RUN_CAPABILITIES);
  clearAmbientSet();
  setgroups(groups);
  setresgid(gid);
  setresuid(uid);
  if (insecure) return;
  const { permitted, effective } = capget();
  const allowed = capabilitySet(RUN_CAPABILITIES);
  capset({ permitted: permitted & allowed, effective: effective & allowed, inheritable: 0n });
}
