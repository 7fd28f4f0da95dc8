/*
 * Waits for the end of its standard input; unless a word came before it, takes the dead mount
 * off the path. Started as `node mount-guard-process.js <mountpoint> <type>`.
 */
import fs from 'node:fs';

import { unmountDead } from './dead-mount.js';

/** How long the mount's server may take to die after its parent. */
const WAIT_MS = 2000;

async function main([mountpoint = '', type = '']: readonly string[]): Promise<void> {
  // Blocks: there is nothing else to do.
  const word = fs.readFileSync(0, 'utf8');
  if (word === '') await unmountDead(mountpoint, { type, waitMs: WAIT_MS });
}

await main(process.argv.slice(2));
