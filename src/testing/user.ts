import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** An ordinary user of this machine. */
export interface TestUser {
  readonly name: string;
  readonly home: string;
}

const NAME = 'tsbuildtest';

/**
 * The ordinary user that tests run as when they are started by root: made if it is not there,
 * with subordinate ids. Idempotent, also when several test files ask at the same time.
 */
export function ensureTestUser(): TestUser {
  const made = spawnSync('useradd', ['--create-home', '--shell', '/bin/sh', NAME]);
  // 9: the name is taken already.
  if (made.status !== 0 && made.status !== 9) throw new Error(made.stderr.toString());
  const entry = execFileSync('getent', ['passwd', NAME], { encoding: 'utf8' });
  if (!hasSubordinateIds()) {
    execFileSync('usermod', [
      ...['--add-subuids', '2000000-2065535', '--add-subgids', '2000000-2065535'],
      NAME,
    ]);
  }
  return { name: NAME, home: entry.split(':')[5] ?? '' };
}

/** Whether the user may read a file, and so run it: a checkout in /root is closed to it. */
export function canRead(user: TestUser, path: string): boolean {
  return spawnSync('runuser', ['-u', user.name, '--', 'test', '-r', path]).status === 0;
}

function hasSubordinateIds(): boolean {
  return ['/etc/subuid', '/etc/subgid'].every((file) =>
    readFileSync(file, 'utf8').includes(`${NAME}:`),
  );
}
