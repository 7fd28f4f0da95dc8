import type { BuildEvent } from '../../src/build/events.js';
import { NEVER_BUILT } from '../../src/cache/explain.js';
import { ProgressModel, type Amount, type VertexView } from './model.js';
import type { Renderer, Sink } from './renderer.js';
import { escapeControls, formatBytes, formatDuration } from './text.js';
import { formatPosition } from '../snippet.js';

/** Milliseconds between two lines about the same download. */
const AMOUNT_INTERVAL_MS = 2000;

/** An amount as `12.3 MB / 45.6 MB`. */
function formatAmount({ unit, current, total }: Amount): string {
  const format = unit === 'bytes' ? formatBytes : String;
  return total === undefined ? format(current) : `${format(current)} / ${format(total)}`;
}

/** Seconds since a vertex started, as lines of output are stamped. */
function stamp(view: VertexView, timeMs: number): string {
  return (Math.max(0, timeMs - view.startMs) / 1000).toFixed(3);
}

class PlainRenderer implements Renderer {
  readonly #sink: Sink;
  readonly #model = new ProgressModel();
  /** Whose lines were written last. */
  #current: VertexView | undefined;
  readonly #amountShownMs = new Map<string, number>();

  constructor(sink: Sink) {
    this.#sink = sink;
  }

  handle(event: BuildEvent): void {
    const { view, lines } = this.#model.apply(event);
    if (event.kind === 'warning') this.#warn(event);
    if (view === undefined) return;
    for (const line of lines) this.#say(view, `${stamp(view, event.timeMs)} ${line}`);
    if (event.kind === 'vertex-progress') this.#sayAmount(view, event.timeMs);
    // A step may be silent for a long time: its name is said at once.
    if (event.kind === 'vertex-started' && view.kind === 'step') this.#turnTo(view);
    if (event.kind === 'vertex-completed') this.#sayMissReason(view);
    if (['vertex-completed', 'vertex-failed', 'vertex-canceled'].includes(event.kind)) {
      this.#sayEnd(view);
    }
  }

  close(): void {
    // Everything has been written as it came.
  }

  /** The vertex whose number a line has: a part speaks for the whole. */
  #speaker(view: VertexView): VertexView {
    const parent = view.parent === undefined ? undefined : this.#model.vertices.get(view.parent);
    return parent ?? view;
  }

  #turnTo(view: VertexView): void {
    if (this.#current === view) return;
    if (this.#current?.state === 'running') this.#sink.write(`#${this.#current.number} ...\n`);
    if (this.#current !== undefined) this.#sink.write('\n');
    this.#sink.write(`#${view.number} ${view.name}\n`);
    this.#current = view;
  }

  #say(view: VertexView, text: string): void {
    const speaker = this.#speaker(view);
    this.#turnTo(speaker);
    this.#sink.write(`${`#${speaker.number} ${text}`.trimEnd()}\n`);
  }

  #sayMissReason(view: VertexView): void {
    const { missReason } = view;
    if (missReason === undefined || missReason === NEVER_BUILT) return;
    this.#say(view, `not cached: ${missReason}`);
  }

  #sayEnd(view: VertexView): void {
    const isPart = this.#speaker(view) !== view;
    const name = isPart ? `${view.name} ` : '';
    if (view.state === 'failed') this.#say(view, `${name}ERROR: ${view.message ?? ''}`);
    else if (view.state === 'canceled') this.#say(view, `${name}CANCELED`);
    else if (view.cached) this.#say(view, `${name}CACHED`);
    else {
      const amount = isPart && view.amount ? `${formatAmount(view.amount)} ` : '';
      const done = isPart ? 'done' : 'DONE';
      this.#say(view, `${name}${amount}${done} ${formatDuration(view.durationMs)}`);
    }
  }

  #sayAmount(view: VertexView, timeMs: number): void {
    if (view.amount === undefined) return;
    const shownMs = this.#amountShownMs.get(view.id) ?? view.startMs;
    if (timeMs - shownMs < AMOUNT_INTERVAL_MS) return;
    this.#amountShownMs.set(view.id, timeMs);
    const name = this.#speaker(view) === view ? '' : `${view.name} `;
    this.#say(view, `${name}${formatAmount(view.amount)}`);
  }

  #warn({ warning }: BuildEvent & { kind: 'warning' }): void {
    const { source } = warning;
    const message = escapeControls(warning.message);
    const hint = warning.hint === undefined ? undefined : escapeControls(warning.hint);
    const where = source === undefined ? '' : `${formatPosition(source)}: `;
    this.#sink.write(`warning: ${where}${message}\n`);
    if (hint !== undefined) this.#sink.write(`hint: ${hint}\n`);
  }
}

/**
 * `--progress plain`: everything that happens as lines in its order, each with the number of its
 * vertex, in BuildKit's manner. Nothing is ever clipped.
 */
export function plainRenderer(sink: Sink): Renderer {
  return new PlainRenderer(sink);
}
