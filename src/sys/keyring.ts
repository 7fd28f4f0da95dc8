import { SYS, failure, libc } from './libc.js';

const KEYCTL_JOIN_SESSION_KEYRING = 1;

/**
 * Gives the calling thread a new, empty session keyring: keyctl(2). A kernel without keys, and a
 * container that forbids the call, have none to leave.
 */
export function joinNewSessionKeyring(): void {
  if (libc.sysKeyctl(SYS.keyctl, KEYCTL_JOIN_SESSION_KEYRING, null) >= 0) return;
  const error = failure('keyctl');
  if (!['ENOSYS', 'EPERM', 'EDQUOT'].includes(error.code)) throw error;
}
