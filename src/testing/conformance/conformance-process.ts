/*
 * Process entry: `conformance-process.js` does all checks, each in a new directory below the
 * working directory, and writes a JSON array of those that failed to the descriptor 3.
 */
import fs from 'node:fs';
import path from 'node:path';

import { messageOf } from '../../util/errors.js';
import { CHECKS } from './checks.js';

/** A check that failed, and how. */
export interface Failure {
  readonly name: string;
  readonly message: string;
}

const home = process.cwd();
const failures: Failure[] = [];
process.umask(0o022);
for (const [index, [name, check]] of Object.entries(CHECKS).entries()) {
  const dir = path.join(home, String(index));
  fs.mkdirSync(dir);
  process.chdir(dir);
  try {
    check();
  } catch (error) {
    failures.push({ name, message: messageOf(error) });
  }
  process.chdir(home);
}
fs.writeSync(3, JSON.stringify(failures));
