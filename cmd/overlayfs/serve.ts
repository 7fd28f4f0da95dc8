import type { OverlayMount } from '../../src/upperdir/overlay-mount.js';
import { serveOverlay, type ServeEvents } from '../../src/upperdir/overlay-mount.js';
import type { MountSettings } from './options.js';

/** What the settings of the command line mean to the mount. */
export function mountOf(settings: MountSettings, mountpoint: string): OverlayMount {
  return { ...settings, mountpoint };
}

/** Serves a mount in this process until it ends; SIGINT, SIGTERM and SIGHUP end it. */
export async function serveHere(mount: OverlayMount, events: ServeEvents): Promise<void> {
  const end = new AbortController();
  const onSignal = (): void => end.abort();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
  await serveOverlay(mount, events, end.signal);
}
