import { readFileSync } from 'node:fs';

import { hasCode } from '../util/errors.js';
import { O_CLOEXEC } from './constants.js';
import { Fd } from './fd.js';
import { check, libc } from './libc.js';

export const CLONE_NEWNS = 0x00020000;
export const CLONE_NEWUTS = 0x04000000;
export const CLONE_NEWIPC = 0x08000000;
export const CLONE_NEWNET = 0x40000000;

/**
 * unshare(2): new namespaces of the calling *thread*; libuv's workers keep the old ones. For a
 * process whose main thread ends in execve(2), which keeps those of that thread.
 */
export function unshareThread(flags: number): void {
  check(libc.unshare(flags), 'unshare');
}

/** Whether this process is in the first user namespace, or in one that is as good. */
export function inInitialUserNamespace(): boolean {
  try {
    return /^\s*0\s+0\s+4294967295\s*$/.test(readFileSync('/proc/self/uid_map', 'latin1'));
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return true;
    throw error;
  }
}

const AF_INET = 2;
const SOCK_DGRAM = 2;
const SIOCGIFFLAGS = 0x8913;
const SIOCSIFFLAGS = 0x8914;
const IFF_UP = 1;
/** struct ifreq: name[16], then a union that begins with flags s16. Source: linux/if.h. */
const IFREQ = { bytes: 40, flags: 16 } as const;

/** Brings up `lo` of the calling thread's network namespace: 127.0.0.1 and ::1 work then. */
export function setLoopbackUp(): void {
  const raw = check(libc.socket(AF_INET, SOCK_DGRAM | O_CLOEXEC, 0), 'socket');
  using socket = Fd.adopt(raw);
  const request = Buffer.alloc(IFREQ.bytes);
  request.write('lo');
  check(libc.ioctlPointer(socket.raw, SIOCGIFFLAGS, request), 'ioctl(SIOCGIFFLAGS)');
  request.writeInt16LE(request.readInt16LE(IFREQ.flags) | IFF_UP, IFREQ.flags);
  check(libc.ioctlPointer(socket.raw, SIOCSIFFLAGS, request), 'ioctl(SIOCSIFFLAGS)');
}
