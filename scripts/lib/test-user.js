import { spawnSync } from 'node:child_process';

/** The user that tests make: see src/testing/user.ts. */
const NAME = 'tsbuildtest';

const exists = () => spawnSync('getent', ['passwd', NAME]).status === 0;

/** Calls `work`, and removes the test user afterwards if it was not there before. */
export function withoutTestUserLeft(work) {
  if (process.getuid() !== 0 || exists()) return work();
  try {
    return work();
  } finally {
    if (exists()) spawnSync('userdel', ['--remove', NAME], { stdio: 'ignore' });
  }
}
