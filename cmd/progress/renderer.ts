import type { BuildEvent } from '../../src/build/events.js';

/** Shows a build's events. */
export interface Renderer {
  /** Takes events in order. Does not throw. */
  handle(event: BuildEvent): void;
  /** Writes what is left and gives the terminal back. Idempotent. */
  close(): void;
}

/** Where a renderer writes: a part of a stream's interface. */
export interface Sink {
  write(text: string): unknown;
}
