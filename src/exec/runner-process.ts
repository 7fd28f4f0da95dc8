/**
 * Process entry: becomes a RUN's command. It waits for the specification on CONTROL_FD, enters
 * the remaining namespaces, builds the root, drops its privileges and ends in execve(2); what
 * goes wrong on the way is reported on REPORT_FD, which execve(2) closes.
 *
 * INVARIANT: everything is synchronous and on the main thread. Namespaces and ids belong to this
 * thread alone, and execve(2) keeps exactly those.
 */
import { fchownSync, readSync, readlinkSync, writeSync } from 'node:fs';

import { chdir } from '../sys/mount.js';
import { CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWUTS } from '../sys/namespace.js';
import { setLoopbackUp, unshareThread } from '../sys/namespace.js';
import { closeRangeOnExec, sethostname, setsid } from '../sys/process.js';
import { hasCode, messageOf } from '../util/errors.js';
import { becomeUser, limitResources } from './credentials.js';
import { execCommand } from './exec-command.js';
import type { CompleteSpec, Report, Request } from './messages.js';
import { CONTROL_FD, LineSplitter, REPORT_FD, formatMessage } from './messages.js';
import { enterRoot } from './root.js';

/** A failed step of the set-up. */
class StepError extends Error {
  readonly step: string;

  constructor(step: string, cause: unknown) {
    super(messageOf(cause), { cause });
    this.step = step;
  }
}

try {
  main();
} catch (error) {
  const cause = error instanceof StepError ? error.cause : error;
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  const step = error instanceof StepError ? error.step : 'set up the sandbox';
  report({ kind: 'failed', step, code, message: messageOf(cause) });
  process.exitCode = 1;
}

function main(): void {
  const read = lineReader();
  // The init's proc file system still is the one of tsbuild's pid namespace.
  const pid = Number(readlinkSync('/proc/self'));
  const request = JSON.parse(read()) as Request;
  if (request.kind !== 'run') throw new Error(`Cannot begin with ${request.kind}, want run`);
  const { spec } = request;
  if (spec.tty !== true) step('start a session', setsid);
  step('enter new namespaces', () => enterNamespaces(spec));
  enterRoot(spec, step);
  report({ kind: 'rooted', pid });
  if (read() !== 'go') throw new Error('Cannot go on without the init');
  step(`enter working directory "${spec.cwd}"`, () => chdir(spec.cwd));
  step('set the limits', () => limitResources(spec));
  giveStreams(spec);
  const { uid, gid } = spec.user;
  step(`become user ${uid}:${gid}`, () => becomeUser(spec.user, spec));
  closeRangeOnExec(CONTROL_FD);
  report({ kind: 'exec' });
  report({ kind: 'not-started', ...execCommand(spec) });
  process.exitCode = 1;
}

function step<T>(what: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw new StepError(what, error);
  }
}

function enterNamespaces({ network, hostname }: CompleteSpec): void {
  const none = network === 'none';
  unshareThread(CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | (none ? CLONE_NEWNET : 0));
  sethostname(hostname);
  if (none) setLoopbackUp();
}

/** Lets the user open /dev/stdout and its like again: pipes are 0600 and belong to tsbuild. */
function giveStreams({ user, tty }: CompleteSpec): void {
  if (tty === true) return;
  for (const raw of [1, 2]) {
    try {
      fchownSync(raw, user.uid, user.gid);
    } catch (error) {
      // EINVAL: an id outside the user namespace, which becomeUser() will name.
      if (!hasCode(error, 'EPERM', 'EINVAL', 'EROFS')) throw error;
    }
  }
}

function report(message: Report): void {
  writeSync(REPORT_FD, formatMessage(message));
}

/** Reads CONTROL_FD line by line, blocking. Its end (the init is gone) throws. */
function lineReader(): () => string {
  const splitter = new LineSplitter();
  const chunk = Buffer.alloc(65536);
  const lines: string[] = [];
  return () => {
    for (;;) {
      const line = lines.shift();
      if (line !== undefined) return line;
      const count = readSync(CONTROL_FD, chunk);
      if (count === 0) throw new Error('Cannot read the request: the init is gone');
      lines.push(...splitter.push(chunk.subarray(0, count)));
    }
  };
}
