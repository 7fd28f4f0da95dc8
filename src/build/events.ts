import type { SourceRange } from '../util/errors.js';

/** Version of the event schema as JSON; grows when a field changes its meaning or goes away. */
export const PROGRESS_VERSION = 1;

/** Names a vertex within one build; a digest-like string without meaning. */
export type VertexId = string;

/** What a vertex does, for renderers that treat kinds differently. */
export type VertexKind =
  | 'source' // a base image is found, pulled, unpacked
  | 'context' // the build context is read
  | 'step' // one instruction
  | 'export' // the image is written to the store, a file or a registry
  | 'transfer'; // a blob is downloaded or uploaded

/** One unit of work that a reader can watch. */
export interface Vertex {
  readonly id: VertexId;
  readonly kind: VertexKind;
  /** In BuildKit's style: `[stage-1 2/5] RUN apt-get update`. One line. */
  readonly name: string;
  /** The vertex that this one is a part of (a blob of a pull). */
  readonly parent?: VertexId;
  readonly source?: SourceRange;
}

/** Something to tell the user that is no failure. */
export interface BuildWarning {
  readonly message: string;
  readonly hint?: string;
  readonly source?: SourceRange;
}

/** What a finished image is, as the last event tells it. */
export interface ImageSummary {
  /** Of the manifest in the local store. */
  readonly imageDigest: string;
  readonly configDigest: string;
  readonly tags: readonly string[];
}

/** An event without its time. `chunk` is valid for the reader to keep. */
export type BuildEventBody =
  | { readonly kind: 'build-started'; readonly name: string; readonly steps: number }
  | { readonly kind: 'vertex-added'; readonly vertex: Vertex }
  | { readonly kind: 'vertex-started'; readonly id: VertexId }
  | {
      readonly kind: 'vertex-output';
      readonly id: VertexId;
      readonly stream: 'stdout' | 'stderr';
      readonly chunk: Buffer;
    }
  | {
      readonly kind: 'vertex-progress';
      readonly id: VertexId;
      readonly unit: 'bytes' | 'items';
      readonly current: number;
      /** Undefined: not known. */
      readonly total?: number;
    }
  | {
      readonly kind: 'vertex-completed';
      readonly id: VertexId;
      readonly cached: boolean;
      readonly durationMs: number;
      /** Why a step was not found in the cache. */
      readonly missReason?: string;
    }
  | {
      readonly kind: 'vertex-failed';
      readonly id: VertexId;
      readonly durationMs: number;
      readonly message: string;
    }
  | { readonly kind: 'vertex-canceled'; readonly id: VertexId; readonly durationMs: number }
  | { readonly kind: 'warning'; readonly warning: BuildWarning }
  | { readonly kind: 'log'; readonly level: 'debug' | 'info'; readonly message: string }
  | {
      readonly kind: 'build-completed';
      readonly durationMs: number;
      readonly image: ImageSummary;
    }
  | { readonly kind: 'build-failed'; readonly durationMs: number; readonly message: string };

/** One event: what happened, and when in milliseconds since 1970. */
export type BuildEvent = BuildEventBody & { readonly timeMs: number };

/** Takes events in order. Must not throw. */
export type Emit = (event: BuildEvent) => void;

/**
 * The JSON form of an event, one object per line: the event's own keys, `progressVersion`, and
 * `text` (UTF-8, U+FFFD for what is not) in the place of `chunk`.
 */
export function eventToJson(event: BuildEvent): Record<string, unknown> {
  if (event.kind !== 'vertex-output') return { progressVersion: PROGRESS_VERSION, ...event };
  const { chunk, ...rest } = event;
  return { progressVersion: PROGRESS_VERSION, ...rest, text: chunk.toString('utf8') };
}
