import type {
  BuildEvent,
  BuildWarning,
  Vertex,
  VertexId,
  VertexKind,
} from '../../src/build/events.js';
import { LineSplitter } from './lines.js';
import { sanitizeLine } from './text.js';

/** Last lines of output that are kept of each vertex, for the screen and for a failure's report. */
export const TAIL_LINES_MAX = 100;

/** How far something has come. */
export interface Amount {
  readonly unit: 'bytes' | 'items';
  readonly current: number;
  readonly total: number | undefined;
}

export type VertexState = 'pending' | 'running' | 'completed' | 'failed' | 'canceled';

/** What is known of a vertex so far. */
export interface VertexView {
  readonly id: VertexId;
  /** Counts from 1, in the order of appearance. */
  readonly number: number;
  readonly kind: VertexKind;
  readonly name: string;
  readonly parent: VertexId | undefined;
  state: VertexState;
  cached: boolean;
  missReason: string | undefined;
  message: string | undefined;
  startMs: number;
  durationMs: number;
  amount: Amount | undefined;
  /** The last complete lines of output, sanitized. */
  readonly tail: string[];
  /** The line that is not complete yet, sanitized; of the stream that wrote last. */
  partial: string;
  readonly splitters: Record<'stdout' | 'stderr', LineSplitter>;
}

/** What an event changed, for renderers that write as things happen. */
export interface Change {
  readonly view?: VertexView;
  /** Lines of output that the event completed, sanitized. */
  readonly lines: readonly string[];
}

/** The state of a build as a reader of its events knows it. */
export class ProgressModel {
  readonly vertices: Map<VertexId, VertexView> = new Map();
  readonly warnings: BuildWarning[] = [];
  name = '';
  steps = 0;
  startMs: number | undefined;
  endMs: number | undefined;
  failed = false;

  /** Takes the next event. */
  apply(event: BuildEvent): Change {
    this.startMs ??= event.timeMs;
    switch (event.kind) {
      case 'build-started':
        this.name = event.name;
        this.steps = event.steps;
        return { lines: [] };
      case 'vertex-added':
        return { view: this.#add(event.vertex), lines: [] };
      case 'warning':
        this.warnings.push(event.warning);
        return { lines: [] };
      case 'log':
        return { lines: [] };
      case 'build-completed':
      case 'build-failed':
        this.endMs = event.timeMs;
        this.failed = event.kind === 'build-failed';
        return { lines: [] };
      default:
        return this.#applyToVertex(event);
    }
  }

  #add(vertex: Vertex): VertexView {
    const view: VertexView = {
      id: vertex.id,
      number: this.vertices.size + 1,
      kind: vertex.kind,
      name: sanitizeLine(vertex.name.replaceAll(/\s*\n\s*/g, ' ')),
      parent: vertex.parent,
      state: 'pending',
      cached: false,
      missReason: undefined,
      message: undefined,
      startMs: 0,
      durationMs: 0,
      amount: undefined,
      tail: [],
      partial: '',
      splitters: { stdout: new LineSplitter(), stderr: new LineSplitter() },
    };
    this.vertices.set(vertex.id, view);
    return view;
  }

  #applyToVertex(event: Extract<BuildEvent, { id: VertexId }>): Change {
    const view = this.vertices.get(event.id);
    if (view === undefined) return { lines: [] };
    switch (event.kind) {
      case 'vertex-started':
        view.state = 'running';
        view.startMs = event.timeMs;
        return { view, lines: [] };
      case 'vertex-output':
        return { view, lines: takeOutput(view, event.stream, event.chunk) };
      case 'vertex-progress': {
        const { unit, current, total } = event;
        view.amount = { unit, current, total };
        return { view, lines: [] };
      }
      case 'vertex-completed':
        view.cached = event.cached;
        view.missReason = event.missReason;
        return end(view, 'completed', event.durationMs);
      case 'vertex-failed':
        view.message = event.message;
        return end(view, 'failed', event.durationMs);
      case 'vertex-canceled':
        return end(view, 'canceled', event.durationMs);
    }
  }
}

function keep(view: VertexView, raw: readonly string[]): string[] {
  const lines = raw.map(sanitizeLine);
  view.tail.push(...lines.slice(-TAIL_LINES_MAX));
  view.tail.splice(0, Math.max(0, view.tail.length - TAIL_LINES_MAX));
  return lines;
}

function takeOutput(view: VertexView, stream: 'stdout' | 'stderr', chunk: Buffer): string[] {
  const splitter = view.splitters[stream];
  const lines = keep(view, splitter.push(chunk));
  view.partial = sanitizeLine(splitter.rest);
  return lines;
}

function end(view: VertexView, state: VertexState, durationMs: number): Change {
  view.state = state;
  view.durationMs = durationMs;
  const { stdout, stderr } = view.splitters;
  const lines = keep(view, [...stdout.end(), ...stderr.end()]);
  view.partial = '';
  return { view, lines };
}
