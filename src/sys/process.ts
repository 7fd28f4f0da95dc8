import { POLLIN } from './constants.js';
import { FsError, errnoNumber } from './errno.js';
import type { Fd } from './fd.js';
import { setCloexec } from './file.js';
import type { PathLike } from './libc.js';
import { SYS, addressOf, check, failure, lastErrno, libc, pathArg } from './libc.js';

export const PR_SET_PDEATHSIG = 1;
export const PR_SET_DUMPABLE = 4;
export const PR_SET_KEEPCAPS = 8;
export const PR_CAPBSET_READ = 23;
export const PR_CAPBSET_DROP = 24;
export const PR_SET_SECUREBITS = 28;
export const PR_SET_CHILD_SUBREAPER = 36;
export const PR_SET_NO_NEW_PRIVS = 38;
export const PR_CAP_AMBIENT = 47;

const EINTR = errnoNumber('EINTR');
const SIG_SETMASK = 2;
const SIGSET_BYTES = 128;
const SIGNAL_MAX = 64;
/** SIGKILL and SIGSTOP cannot be set; 32 and 33 belong to libc. */
const SIGNALS_FIXED: readonly number[] = [9, 19, 32, 33];

/** prctl(2) with numbers for arguments; of the calling thread, where the option says so. */
export function prctl(option: number, arg2 = 0, arg3 = 0): number {
  return check(libc.prctl(option, arg2, arg3, 0, 0), 'prctl');
}

/**
 * The signal that this process gets when the *thread* that made it ends; kept over execve(2)
 * unless that changes ids. Ask {@link getppid} afterwards: the parent may be gone already.
 */
export function setParentDeathSignal(signal: number): void {
  prctl(PR_SET_PDEATHSIG, signal);
}

/** No later execve(2) of the calling thread gains privileges. */
export function setNoNewPrivs(): void {
  prctl(PR_SET_NO_NEW_PRIVS, 1);
}

/** Whether core dumps and ptrace(2) by the same user are allowed. */
export function setDumpable(dumpable: boolean): void {
  prctl(PR_SET_DUMPABLE, dumpable ? 1 : 0);
}

/** Whether orphaned descendants become children of this process. */
export function setChildSubreaper(subreaper: boolean): void {
  prctl(PR_SET_CHILD_SUBREAPER, subreaper ? 1 : 0);
}

/**
 * Gives every signal its default disposition, and the calling thread an empty mask. Node ignores
 * SIGPIPE and SIGXFSZ, and children would inherit that; JavaScript signal handlers end here.
 */
export function resetSignals(): void {
  for (let signal = 1; signal <= SIGNAL_MAX; signal++) {
    if (!SIGNALS_FIXED.includes(signal)) libc.signal(signal, 0);
  }
  check(libc.sigprocmask(SIG_SETMASK, Buffer.alloc(SIGSET_BYTES), null), 'sigprocmask');
}

/** Makes this process ignore a signal; a JavaScript handler of it is not called any more. */
export function ignoreSignal(signal: number): void {
  check(libc.signal(signal, 1), 'signal');
}

/** Lets a program after execve(2) have the standard streams: Node marks them close-on-exec. */
export function inheritStandardStreams(): void {
  for (const raw of [0, 1, 2]) setCloexec(raw, false);
}

/**
 * Replaces this process by a program: execve(2), with the standard streams kept and signals
 * reset. Never returns; a failure throws, and leaves the signals at their defaults.
 */
export function execve(
  path: PathLike,
  argv: readonly (string | Buffer)[],
  env: Readonly<Record<string, string>>,
): never {
  const pathPtr = pathArg(path, 'execve');
  const args = pointerArray(argv);
  const vars = pointerArray(Object.entries(env).map(([name, value]) => `${name}=${value}`));
  inheritStandardStreams();
  resetSignals();
  libc.execve(pathPtr, args.pointers, vars.pointers);
  const error = failure('execve', path);
  // The strings must be reachable until the call has read them.
  if (args.strings.length + vars.strings.length < 0) throw new Error('unreachable');
  throw error;
}

/** A NULL-terminated array of C strings; `strings` keeps them alive. */
function pointerArray(texts: readonly (string | Buffer)[]): {
  pointers: Buffer;
  strings: Buffer[];
} {
  const pointers = Buffer.alloc((texts.length + 1) * 8);
  const strings = texts.map((text) => {
    if (text.includes('\0')) throw new FsError('EINVAL', 'execve', text.toString());
    return Buffer.concat([Buffer.from(text as string), Buffer.alloc(1)]);
  });
  for (const [index, string] of strings.entries()) {
    pointers.writeBigUInt64LE(addressOf(string), index * 8);
  }
  return { pointers, strings };
}

/** close_range(2): all descriptors from `first` to `last` (default: the highest). */
export function closeRange(first: number, last = 0xffffffff): void {
  check(libc.sysCloseRange(SYS.close_range, first, last, 0), 'close_range');
}

const CLOSE_RANGE_CLOEXEC = 4;

/** Has execve(2) close all descriptors from `first` on. */
export function closeRangeOnExec(first: number): void {
  check(libc.sysCloseRange(SYS.close_range, first, 0xffffffff, CLOSE_RANGE_CLOEXEC), 'close_range');
}

/** kill(2); false: there is no such process. Signal 0 only asks. */
export function kill(pid: number, signal: number): boolean {
  if (libc.kill(pid, signal) === 0) return true;
  const error = failure('kill');
  if (error.code === 'ESRCH') return false;
  throw error;
}

/** getppid(2): changes when the parent dies, unlike `process.ppid`. */
export function getppid(): number {
  return libc.getppid();
}

/** setsid(2). */
export function setsid(): void {
  check(libc.setsid(), 'setsid');
}

/** sethostname(2), of the caller's UTS namespace. */
export function sethostname(name: string): void {
  const bytes = Buffer.from(name);
  check(libc.sethostname(bytes, bytes.length), 'sethostname');
}

/** One descriptor of {@link poll}: what to wait for (POLLIN by default). */
export interface PollEntry {
  readonly fd: Fd;
  readonly events?: number;
}

/** poll(2): what came, in the order of the entries; all 0 after `timeoutMs` (undefined: never). */
export function poll(entries: readonly PollEntry[], timeoutMs?: number): number[] {
  const struct = Buffer.alloc(entries.length * 8);
  for (const [index, { fd, events }] of entries.entries()) {
    struct.writeInt32LE(fd.raw, index * 8);
    struct.writeInt16LE(events ?? POLLIN, index * 8 + 4);
  }
  while (libc.poll(struct, entries.length, timeoutMs ?? -1) < 0) {
    if (lastErrno() !== EINTR) throw failure('poll');
  }
  return entries.map((_, index) => struct.readUInt16LE(index * 8 + 6));
}

export const P_ALL = 0;
export const P_PID = 1;
export const WNOHANG = 1;
export const WEXITED = 4;
export const WNOWAIT = 0x01000000;
export const CLD_EXITED = 1;
const SIGINFO = { bytes: 128, code: 8, pid: 16, status: 24 } as const;

/** A child that ended: its exit code if `code` is CLD_EXITED, else the signal's number. */
export interface ChildStatus {
  readonly pid: number;
  readonly code: number;
  readonly status: number;
}

/**
 * waitid(2) for WEXITED: of any child (`pid` undefined) or one; undefined: none has ended yet
 * (WNOHANG). Throws ECHILD without children. With WNOWAIT the child stays to be waited for.
 */
export function waitid(pid: number | undefined, options = 0): ChildStatus | undefined {
  const info = Buffer.alloc(SIGINFO.bytes);
  const type = pid === undefined ? P_ALL : P_PID;
  while (libc.waitid(type, pid ?? 0, info, options | WEXITED) < 0) {
    if (lastErrno() !== EINTR) throw failure('waitid');
  }
  const ended = info.readInt32LE(SIGINFO.pid);
  if (ended === 0) return undefined;
  const code = info.readInt32LE(SIGINFO.code);
  return { pid: ended, code, status: info.readInt32LE(SIGINFO.status) };
}
