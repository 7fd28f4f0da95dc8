import path from 'node:path';
import type { ContainerConfig } from '../oci/config.js';
import type { CommandLine } from '../dockerfile/ast.js';
import { UserError } from '../util/errors.js';
import { suggest } from '../util/suggest.js';

/** The directory after `WORKDIR given`: absolute and clean; relative to the one before. */
export function nextWorkdir(current: string, given: string): string {
  const joined = path.posix.resolve('/', current, given);
  return joined === '' ? '/' : joined;
}

/** A set as Go's JSON has it: the keys, each with an empty object. */
export function withKeys(
  set: Readonly<Record<string, object>> | undefined,
  keys: readonly string[],
): Record<string, object> {
  const all = [...Object.keys(set ?? {}), ...keys].sort();
  return Object.fromEntries(all.map((key) => [key, {}]));
}

/** Names of the signals that a STOPSIGNAL may have; numbers are taken as they are. */
const SIGNALS = new Set(
  (
    'HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT ' +
    'STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS'
  ).split(' '),
);
const SIGNAL_MAX = 64;

/** Refuses a STOPSIGNAL that no kernel knows. */
export function assertSignal(word: string): void {
  const name = word.toUpperCase().replace(/^SIG/, '');
  const number = /^\d+$/.test(word) ? Number(word) : undefined;
  const realtime = /^RTM(?:IN|AX)(?:[+-]\d{1,2})?$/.test(name);
  if (number === undefined ? SIGNALS.has(name) || realtime : number >= 1 && number <= SIGNAL_MAX) {
    return;
  }
  const near = number === undefined ? suggest(name, SIGNALS) : undefined;
  throw new UserError('TSB_BUILD', `Cannot use "${word}" as stop signal: want a name or a number`, {
    hint: near === undefined ? 'For example STOPSIGNAL SIGQUIT' : `Did you mean SIG${near}?`,
  });
}

const DEFAULT_SHELL = ['/bin/sh', '-c'];

/** The argv of a command line: the shell form under the image's SHELL. */
export function commandArgv(config: ContainerConfig | undefined, command: CommandLine): string[] {
  if (command.form === 'exec') return [...command.argv];
  return [...(config?.Shell ?? DEFAULT_SHELL), command.command];
}
