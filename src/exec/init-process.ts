/**
 * Process entry: pid 1 of a RUN's pid namespace. It starts the runner, which turns into the
 * command; adopts and reaps what the command leaves behind; passes signals on; and reports how
 * the command ended. Its own end kills everything in the namespace: it ends with the command, and
 * when the control channel closes, which is when tsbuild dies.
 *
 * INVARIANT: the command must not take it over, although both may be uid 0. It keeps the
 * capabilities that the command lacks and is not dumpable, so ptrace(2) and /proc/1/{root,mem,fd}
 * are refused; SIGUSR1, with which anybody may open Node's debugger, is ignored; and its root is
 * the command's.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { Socket } from 'node:net';
import { constants } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';

import { hasCode } from '../util/errors.js';
import type { Event, Report, Request } from './messages.js';
import { CONTROL_FD, LineSplitter, REPORT_FD, formatMessage } from './messages.js';

const RUNNER_PROCESS = fileURLToPath(new URL('runner-process.js', import.meta.url));
const { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGTSTP, SIGTTIN, SIGTTOU } = constants.signals;
/** What a terminal or the command may send to the init, none of it meant for it. */
const IGNORED = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGTSTP, SIGTTIN, SIGTTOU];

const control = new Socket({ fd: CONTROL_FD });
// Before anything is awaited: tsbuild may be gone already.
control.on('close', () => process.exit(1));
control.on('error', () => process.exit(1));
const runner = spawn(process.execPath, [RUNNER_PROCESS], {
  stdio: ['inherit', 'inherit', 'inherit', 'pipe', 'pipe'],
});
const requests = runner.stdio[CONTROL_FD] as Writable;
const reports = runner.stdio[REPORT_FD] as Readable;

// The runner is on its way before this process loads what it needs itself.
const { ignoreSignal, setDumpable, waitid, WNOHANG, WNOWAIT } = await import('../sys/process.js');
const { chdir, chroot } = await import('../sys/mount.js');
main();

function main(): void {
  for (const signal of IGNORED) ignoreSignal(signal);
  setDumpable(false);
  giveStreamsAway();
  process.on('SIGCHLD', () => reap(runner));
  readLines(control, (line) => obey(line, JSON.parse(line) as Request));
  readLines(reports, (line) => pass(JSON.parse(line) as Report));
  requests.on('error', () => undefined);
  const reportsEnded = new Promise((resolve) => reports.once('close', resolve));
  runner.once('exit', (code, signal) => {
    void reportsEnded.then(() => {
      control.end(formatMessage({ kind: 'exited', code, signal }), () => process.exit(0));
    });
  });
}

/** Leaves the standard streams to the command alone, so that they end with it. */
function giveStreamsAway(): void {
  for (const raw of [0, 1, 2]) {
    closeSync(raw);
    openSync('/dev/null', 'r+');
  }
}

function readLines(stream: Readable, take: (line: string) => void): void {
  const lines = new LineSplitter();
  stream.on('data', (chunk: Buffer) => {
    for (const line of lines.push(chunk)) take(line);
  });
}

function obey(line: string, request: Request): void {
  if (request.kind === 'run') requests.write(`${line}\n`);
  else forward(request.signal);
}

/** To the command's process group, which is the runner's session unless it has the terminal. */
function forward(signal: NodeJS.Signals): void {
  const { pid } = runner;
  // Once it has been reaped, its number may be somebody else's.
  if (pid === undefined || runner.exitCode !== null || runner.signalCode !== null) return;
  for (const target of [-pid, pid]) {
    try {
      process.kill(target, signal);
      return;
    } catch (error) {
      if (!hasCode(error, 'ESRCH')) throw error;
    }
  }
}

function pass(report: Report): void {
  if (report.kind === 'rooted') {
    chroot(`/proc/${report.pid}/root`);
    chdir('/');
    requests.write('go\n');
    return;
  }
  control.write(formatMessage(report satisfies Event));
}

/** Collects orphans; the runner is left to Node, which reports its end. */
function reap(own: ChildProcess): void {
  for (;;) {
    try {
      const ended = waitid(undefined, WNOHANG | WNOWAIT);
      if (ended === undefined || ended.pid === own.pid) return;
      waitid(ended.pid, WNOHANG);
    } catch (error) {
      if (hasCode(error, 'ECHILD')) return;
      throw error;
    }
  }
}
