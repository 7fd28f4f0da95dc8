import fs from 'node:fs';
import { serveOverlay } from '../../src/upperdir/overlay-mount.js';
import type { OverlayMount, ServeEvents } from '../../src/upperdir/serve-mount.js';
import { InterruptedError, type Signal } from '../signals.js';
import type { MountSettings } from './options.js';

/** Signals that end a mount. */
export const SIGNALS: readonly Signal[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/** What the settings of the command line mean to the mount. */
export function mountOf(
  { isDebug: _, ...settings }: MountSettings,
  mountpoint: string,
): OverlayMount {
  return { ...settings, mountpoint };
}

/**
 * Serves a mount in this process until it ends; SIGINT, SIGTERM and SIGHUP end it. Throws
 * InterruptedError if it waited for another mount then.
 */
export async function serveHere(mount: OverlayMount, events: ServeEvents): Promise<void> {
  const end = new AbortController();
  const onSignal = (signal: NodeJS.Signals): void => {
    end.abort(new InterruptedError(signal as Signal));
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  try {
    await serveOverlay(mount, events, end.signal);
  } finally {
    for (const signal of SIGNALS) process.off(signal, onSignal);
  }
}

/** Writes every operation to standard error, as a line of JSON. */
export const DEBUG_LOG: NonNullable<ServeEvents['log']> = {
  trace: (record, message) => {
    fs.writeSync(2, `${JSON.stringify({ msg: message, ...record })}\n`);
  },
};
