import { readlinkSync } from 'node:fs';
import { homedir } from 'node:os';

import { execve } from '../sys/process.js';
import { checkNamespaces, unshareCommand } from './preconditions.js';

/** The environment variable that marks the inside; see {@link isNamespaced}. */
export const NAMESPACED = 'TSBUILD_NAMESPACED';

/** What to start again inside. */
export interface Reentry {
  /** `process.argv`: node, script, arguments. */
  readonly argv: readonly string[];
  readonly env: Readonly<NodeJS.ProcessEnv>;
}

/**
 * Makes sure that this process is root in tsbuild's namespaces: for an ordinary user a user
 * namespace with the subordinate ids, and for everybody a private mount namespace. Returns if it
 * is there already; else replaces the process (same pid, streams, working directory) by util-linux
 * `unshare`, which starts `argv` again, and never returns. Throws UserError TSB_NO_USERNS,
 * TSB_NO_SUBID or TSB_MISSING_TOOL. Call it before any work: nothing of the process survives.
 */
export function enterNamespaces({ argv, env }: Reentry): void {
  if (isNamespaced(env)) return;
  const command = unshareCommand();
  checkNamespaces(command);
  const [node = process.execPath, ...rest] = argv;
  execve(
    command.path,
    ['unshare', ...command.options, '--', node, ...process.execArgv, ...rest],
    innerEnvironment(env),
  );
}

/**
 * Whether `enterNamespaces` has done its work for this very process. A variable that was inherited
 * or set by hand does not count: it names the process, and the mount namespace that it left.
 */
export function isNamespaced(env: Readonly<NodeJS.ProcessEnv>): boolean {
  const [pid, outside] = (env[NAMESPACED] ?? '').split(',');
  return pid === String(process.pid) && outside !== undefined && outside !== mountNamespace();
}

/** HOME is made explicit: inside, the user database would say root's. */
function innerEnvironment(env: Readonly<NodeJS.ProcessEnv>): Record<string, string> {
  const marker = `${process.pid},${mountNamespace()}`;
  const variables: NodeJS.ProcessEnv = { HOME: homedir(), ...env, [NAMESPACED]: marker };
  return Object.fromEntries(
    Object.entries(variables).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}

function mountNamespace(): string {
  return readlinkSync('/proc/self/ns/mnt');
}
