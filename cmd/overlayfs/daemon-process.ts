/*
 * Serves one mount in the background: see daemon.ts. Reads what to mount as JSON from its
 * standard input.
 */
import fs from 'node:fs';
import { hasCode } from '../../src/util/errors.js';
import { unwrap } from '../print-error.js';
import type { OverlayMount } from '../../src/upperdir/serve-mount.js';
import { encodeMessage, failureMessage, type DaemonMessage } from './daemon.js';
import { serveHere } from './serve.js';

const READY_FD = 3;

async function main(): Promise<number> {
  // The other end is the same program.
  const mount = JSON.parse(fs.readFileSync(0, 'utf8')) as OverlayMount;
  let isHeard = true;
  const say = (message: DaemonMessage): void => {
    if (!isHeard) return;
    try {
      fs.writeSync(READY_FD, encodeMessage(message));
    } catch (error) {
      // Whoever started this was killed: the mount is there all the same.
      if (!hasCode(error, 'EPIPE')) throw error;
    }
    if (message.type === 'warning') return;
    isHeard = false;
    fs.closeSync(READY_FD);
  };
  try {
    await serveHere(mount, {
      onReady: () => say({ type: 'ready' }),
      warn: (text) => say({ type: 'warning', text }),
    });
    return 0;
  } catch (error) {
    say(failureMessage(unwrap(error)));
    return 1;
  }
}

process.exit(await main());
