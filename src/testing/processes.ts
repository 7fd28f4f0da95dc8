import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { hasCode } from '../util/errors.js';

/** A process of the machine. */
export interface ProcessInfo {
  readonly pid: number;
  /** Arguments, joined by spaces. */
  readonly command: string;
}

/** Processes (of this pid namespace) with `token` in their arguments or environment. */
export function findProcesses(token: string): ProcessInfo[] {
  const found: ProcessInfo[] = [];
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    const command = readProc(pid, 'cmdline').replaceAll('\0', ' ').trim();
    if (command === '') continue;
    if (command.includes(token) || readProc(pid, 'environ').includes(token)) {
      found.push({ pid, command });
    }
  }
  return found;
}

/** Process `pid` and all that descend from it, parents first; empty when it has ended. */
export function findFamily(pid: number): number[] {
  if (readProc(pid, 'cmdline') === '') return [];
  const children = readdirTasks(pid).flatMap((task) =>
    readProc(pid, `task/${task}/children`).split(' ').filter(Boolean).map(Number),
  );
  return [pid, ...children.flatMap(findFamily)];
}

function readdirTasks(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ESRCH')) return [];
    throw error;
  }
}

/** Processes that see a mount whose line in mountinfo contains `token`. */
export function findMounts(token: string): string[] {
  const lines = new Set<string>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    for (const line of readProc(Number(name), 'mountinfo').split('\n')) {
      if (line.includes(token)) lines.add(line);
    }
  }
  return [...lines];
}

/** Waits until `probe` gives something other than undefined; throws after `timeoutMs`. */
export async function waitFor<T>(
  what: string,
  probe: () => T | undefined,
  timeoutMs = 30_000,
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const value = probe();
    if (value !== undefined) return value;
    if (Date.now() > deadline) throw new Error(`Cannot see ${what} within ${timeoutMs} ms`);
    await sleep(20);
  }
}

function readProc(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1');
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ESRCH', 'EACCES', 'EINVAL')) return '';
    throw error;
  }
}
