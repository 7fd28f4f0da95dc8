import { SYS, check, libc } from './libc.js';
import { PR_CAPBSET_DROP, PR_CAP_AMBIENT, PR_SET_SECUREBITS, prctl } from './process.js';

/**
 * Whose ids change. `process`: all threads (libc's way). `thread`: the calling one alone, which
 * is what counts for an execve(2) that follows, and leaves the other threads as they were.
 */
export type IdScope = 'process' | 'thread';

/** setgroups(2): the supplementary groups. */
export function setgroups(gids: readonly number[], scope: IdScope = 'thread'): void {
  const list = Buffer.alloc(Math.max(4, gids.length * 4));
  for (const [index, gid] of gids.entries()) list.writeUInt32LE(gid, index * 4);
  const result =
    scope === 'process'
      ? libc.setgroups(gids.length, list)
      : libc.sysSetgroups(SYS.setgroups, gids.length, list);
  check(result, 'setgroups');
}

/** setresuid(2): real, effective and saved id become `uid`. */
export function setresuid(uid: number, scope: IdScope = 'thread'): void {
  const result =
    scope === 'process'
      ? libc.setresuid(uid, uid, uid)
      : libc.sysSetIds(SYS.setresuid, uid, uid, uid);
  check(result, 'setresuid');
}

/** setresgid(2): real, effective and saved id become `gid`. */
export function setresgid(gid: number, scope: IdScope = 'thread'): void {
  const result =
    scope === 'process'
      ? libc.setresgid(gid, gid, gid)
      : libc.sysSetIds(SYS.setresgid, gid, gid, gid);
  check(result, 'setresgid');
}

/** Capability numbers by the kernel's name. Source: linux/capability.h. */
export const CAP = {
  CHOWN: 0,
  DAC_OVERRIDE: 1,
  DAC_READ_SEARCH: 2,
  FOWNER: 3,
  FSETID: 4,
  KILL: 5,
  SETGID: 6,
  SETUID: 7,
  SETPCAP: 8,
  LINUX_IMMUTABLE: 9,
  NET_BIND_SERVICE: 10,
  NET_BROADCAST: 11,
  NET_ADMIN: 12,
  NET_RAW: 13,
  IPC_LOCK: 14,
  IPC_OWNER: 15,
  SYS_MODULE: 16,
  SYS_RAWIO: 17,
  SYS_CHROOT: 18,
  SYS_PTRACE: 19,
  SYS_PACCT: 20,
  SYS_ADMIN: 21,
  SYS_BOOT: 22,
  SYS_NICE: 23,
  SYS_RESOURCE: 24,
  SYS_TIME: 25,
  SYS_TTY_CONFIG: 26,
  MKNOD: 27,
  LEASE: 28,
  AUDIT_WRITE: 29,
  AUDIT_CONTROL: 30,
  SETFCAP: 31,
  MAC_OVERRIDE: 32,
  MAC_ADMIN: 33,
  SYSLOG: 34,
  WAKE_ALARM: 35,
  BLOCK_SUSPEND: 36,
  AUDIT_READ: 37,
  PERFMON: 38,
  BPF: 39,
  CHECKPOINT_RESTORE: 40,
} as const;

/** The highest number that a kernel may know. */
const CAPABILITY_MAX = 63;
const CAPABILITY_VERSION_3 = 0x20080522;
const PR_CAP_AMBIENT_CLEAR_ALL = 4;

/** The three sets of a thread: bit n is capability n. */
export interface Capabilities {
  readonly effective: bigint;
  readonly permitted: bigint;
  readonly inheritable: bigint;
}

/** The set with these capabilities. */
export function capabilitySet(caps: readonly number[]): bigint {
  return caps.reduce((set, cap) => set | (1n << BigInt(cap)), 0n);
}

/** capget(2) of the calling thread. */
export function capget(): Capabilities {
  const data = Buffer.alloc(24);
  check(libc.sysCapability(SYS.capget, capabilityHeader(), data), 'capget');
  const set = (offset: number): bigint =>
    BigInt(data.readUInt32LE(offset)) | (BigInt(data.readUInt32LE(offset + 12)) << 32n);
  return { effective: set(0), permitted: set(4), inheritable: set(8) };
}

/** capset(2) of the calling thread. */
export function capset(sets: Capabilities): void {
  const data = Buffer.alloc(24);
  for (const [index, set] of [sets.effective, sets.permitted, sets.inheritable].entries()) {
    data.writeUInt32LE(Number(set & 0xffffffffn), index * 4);
    data.writeUInt32LE(Number(set >> 32n), index * 4 + 12);
  }
  check(libc.sysCapability(SYS.capset, capabilityHeader(), data), 'capset');
}

function capabilityHeader(): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt32LE(CAPABILITY_VERSION_3);
  return header;
}

/** Drops from the calling thread's bounding set all but `keep`. Needs CAP_SETPCAP. */
export function limitBoundingSet(keep: readonly number[]): void {
  for (let cap = 0; cap <= CAPABILITY_MAX; cap++) {
    if (keep.includes(cap)) continue;
    // EINVAL: higher than the kernel's last capability.
    if (libc.prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0) {
      if (cap > CAP.CHECKPOINT_RESTORE) return;
      check(-1, `prctl(PR_CAPBSET_DROP, ${cap})`);
    }
  }
}

/** Empties the ambient set of the calling thread. */
export function clearAmbientSet(): void {
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL);
}

/** Sets the calling thread's SECBIT_* flags. */
export function setSecurebits(bits: number): void {
  prctl(PR_SET_SECUREBITS, bits);
}
