import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { encodeError, decodeError, type WireError } from '../../src/overlay/server-messages.js';
import type { OverlayMount } from '../../src/upperdir/serve-mount.js';
import { InterruptedError, type Signal } from '../signals.js';
import { SIGNALS } from './serve.js';

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

/**
 * Starts the process; resolves once the mount is ready, and throws what kept it from that. A
 * signal meanwhile ends the process too: InterruptedError.
 */
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
  let received: Signal | undefined;
  const onSignal = (signal: NodeJS.Signals): void => {
    received = signal as Signal;
    child.kill(signal);
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  try {
    // Of a process that ends early its last message tells why.
    child.stdin?.on('error', () => undefined).end(JSON.stringify(mount));
    const last = await lastMessage(child.stdio[3] as Readable, warn);
    if (received !== undefined) throw new InterruptedError(received);
    if (last === undefined) {
      throw new Error('Cannot mount: the process in the background ended without a word');
    }
    if (last.type === 'failed') throw decodeError(last.error);
    child.unref();
  } finally {
    for (const signal of SIGNALS) process.off(signal, onSignal);
  }
}

/** Passes the warnings on; returns the first other message, or undefined at the end. */
async function lastMessage(
  stream: Readable,
  warn: (text: string) => void,
): Promise<Exclude<DaemonMessage, { type: 'warning' }> | undefined> {
  let text = '';
  for await (const chunk of stream.setEncoding('utf8')) {
    text += String(chunk);
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
      const message = JSON.parse(text.slice(0, end)) as DaemonMessage;
      text = text.slice(end + 1);
      if (message.type !== 'warning') return message;
      warn(message.text);
    }
  }
  return undefined;
}

/** The line of a message. */
export function encodeMessage(message: DaemonMessage): string {
  return `${JSON.stringify(message)}\n`;
}

/** The message of a failure. */
export function failureMessage(error: unknown): DaemonMessage {
  return { type: 'failed', error: encodeError(error) };
}
