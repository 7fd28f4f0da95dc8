import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { encodeError, decodeError, type WireError } from '../../src/overlay/server-messages.js';
import type { OverlayMount } from '../../src/upperdir/serve-mount.js';

/*
 * The mount in the background: a process of its own that says on descriptor 3, one JSON object
 * per line, what it has to say until it is ready; afterwards nobody listens.
 */

/** What the process in the background says. */
export type DaemonMessage =
  | { readonly type: 'warning'; readonly text: string }
  | { readonly type: 'ready' }
  | { readonly type: 'failed'; readonly error: WireError };

const PROCESS = fileURLToPath(new URL('daemon-process.js', import.meta.url));

/** Starts the process; resolves once the mount is ready, and throws what kept it from that. */
export async function startDaemon(
  mount: OverlayMount,
  warn: (text: string) => void,
): Promise<void> {
  const child = spawn(process.execPath, [PROCESS], {
    detached: true,
    cwd: '/',
    stdio: ['pipe', 'ignore', 'ignore', 'pipe'],
  });
  await once(child, 'spawn');
  child.stdin?.end(JSON.stringify(mount));
  let text = '';
  for await (const chunk of child.stdio[3] as Readable) {
    text += String(chunk);
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
      const message = JSON.parse(text.slice(0, end)) as DaemonMessage;
      text = text.slice(end + 1);
      if (message.type === 'warning') warn(message.text);
      else if (message.type === 'failed') throw decodeError(message.error);
      else {
        child.unref();
        return;
      }
    }
  }
  throw new Error('Cannot mount: the process in the background ended without a word');
}

/** The line of a message. */
export function encodeMessage(message: DaemonMessage): string {
  return `${JSON.stringify(message)}\n`;
}

/** The message of a failure. */
export function failureMessage(error: unknown): DaemonMessage {
  return { type: 'failed', error: encodeError(error) };
}
