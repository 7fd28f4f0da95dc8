import { performance } from 'node:perf_hooks';
import { messageOf } from '../util/errors.js';
import type { BuildEventBody, BuildWarning, Emit, Vertex, VertexId } from './events.js';

/** What a vertex's work reports when it is done. */
export interface VertexOutcome {
  readonly cached?: boolean;
  readonly missReason?: string;
}

/** The handle that a vertex's work has while it runs. */
export interface RunningVertex {
  readonly id: VertexId;
  output(stream: 'stdout' | 'stderr', chunk: Buffer): void;
  progress(unit: 'bytes' | 'items', current: number, total?: number): void;
  /** Says how the work ended; the last call counts. */
  outcome(outcome: VertexOutcome): void;
}

/** Turns the work of one build into events; hands out vertex ids. */
export class Progress {
  readonly #emit: Emit;
  readonly #signal: AbortSignal;
  #nextId = 1;

  constructor(emit: Emit, signal: AbortSignal) {
    this.#emit = emit;
    this.#signal = signal;
  }

  /** Sends an event with the present time. */
  send(event: BuildEventBody): void {
    this.#emit({ ...event, timeMs: Date.now() });
  }

  warn(warning: BuildWarning): void {
    this.send({ kind: 'warning', warning });
  }

  debug(message: string): void {
    this.send({ kind: 'log', level: 'debug', message });
  }

  /** Announces a vertex. Each one is run at most once. */
  add(vertex: Omit<Vertex, 'id'>): Vertex {
    const added = { ...vertex, id: String(this.#nextId++) };
    this.send({ kind: 'vertex-added', vertex: added });
    return added;
  }

  /** Runs `work` between the start and the end event of a vertex. */
  async run<T>(vertex: Vertex, work: (running: RunningVertex) => Promise<T>): Promise<T> {
    const { id } = vertex;
    const startMs = performance.now();
    const durationMs = () => Math.round(performance.now() - startMs);
    let ended: VertexOutcome = {};
    this.send({ kind: 'vertex-started', id });
    try {
      const result = await work({
        id,
        output: (stream, chunk) => this.send({ kind: 'vertex-output', id, stream, chunk }),
        progress: (unit, current, total) =>
          this.send({
            kind: 'vertex-progress',
            id,
            unit,
            current,
            ...(total !== undefined && { total }),
          }),
        outcome: (outcome) => (ended = outcome),
      });
      const { cached = false, missReason } = ended;
      const reason = missReason === undefined ? {} : { missReason };
      this.send({ kind: 'vertex-completed', id, cached, durationMs: durationMs(), ...reason });
      return result;
    } catch (error) {
      if (this.#signal.aborted) {
        this.send({ kind: 'vertex-canceled', id, durationMs: durationMs() });
      } else {
        const message = messageOf(error);
        this.send({ kind: 'vertex-failed', id, durationMs: durationMs(), message });
      }
      throw error;
    }
  }
}
