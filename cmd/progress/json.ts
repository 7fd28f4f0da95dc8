import { eventToJson, type BuildEvent } from '../../src/build/events.js';
import { StringDecoder } from 'node:string_decoder';
import type { Renderer, Sink } from './renderer.js';

/**
 * `--progress json`: one event per line, as docs/progress.md describes. A character of the output
 * whose bytes come in two chunks is told with the second one.
 */
export function jsonRenderer(sink: Sink): Renderer {
  const decoders = new Map<string, StringDecoder>();
  const decoderOf = (key: string): StringDecoder => {
    const decoder = decoders.get(key) ?? new StringDecoder('utf8');
    decoders.set(key, decoder);
    return decoder;
  };
  const toJson = (event: BuildEvent): Record<string, unknown> => {
    if (event.kind !== 'vertex-output') return eventToJson(event);
    const text = decoderOf(`${event.id} ${event.stream}`).write(event.chunk);
    return { ...eventToJson(event), text };
  };
  return {
    handle: (event) => sink.write(`${JSON.stringify(toJson(event))}\n`),
    close: () => undefined,
  };
}
