import type { Style } from '../style.js';
import type { ProgressModel, VertexView } from './model.js';
import { displayWidth, formatBytes, formatDuration, padEnd, truncate } from './text.js';

/** Lines of output shown below a running step, if the terminal is high enough. */
const TAIL_ROWS_MAX = 8;
/** Transfers shown one by one; the rest is in the sum. */
const TRANSFERS_MAX = 6;
const BAR_COLUMNS = 20;
/** Below this a line has no bar and no rate. */
const WIDE_COLUMNS = 60;
const SPINNER = '⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏';

/** The terminal at the moment of drawing. */
export interface Screen {
  readonly columns: number;
  readonly rows: number;
  readonly nowMs: number;
  /** Counts frames, for the spinner. */
  readonly tick: number;
  readonly style: Style;
}

type Paint = Style['dim'];

/** `left` and `right` at the two ends of a line; `left` gives way. */
function spread(left: string, right: string, columns: number, paint: Paint): string {
  const room = columns - displayWidth(right) - 1;
  if (room < 8) return paint(truncate(left, columns));
  return `${paint(padEnd(truncate(left, room), room))} ${right}`;
}

const same: Paint = (text) => text;

/** Transfers that belong to `view`, in order. */
function partsOf(model: ProgressModel, view: VertexView): VertexView[] {
  return [...model.vertices.values()].filter(({ parent }) => parent === view.id);
}

/** Bytes that `views` have moved and will have moved; undefined if none counts bytes. */
function sumBytes(views: readonly VertexView[]): { current: number; total: number } | undefined {
  const amounts = views.flatMap(({ amount }) => (amount?.unit === 'bytes' ? [amount] : []));
  if (amounts.length === 0) return undefined;
  return {
    current: amounts.reduce((sum, { current }) => sum + current, 0),
    total: amounts.reduce((sum, { current, total }) => sum + (total ?? current), 0),
  };
}

/** The one line of a vertex that has ended. */
export function endLine(model: ProgressModel, view: VertexView, screen: Screen): string {
  const { style, columns } = screen;
  const moved = shownBytes(view, partsOf(model, view));
  const amount = moved === undefined || moved.current === 0 ? '' : formatBytes(moved.current);
  const time = formatDuration(view.durationMs);
  switch (view.state) {
    case 'failed':
      return spread(`✗ ${view.name}`, time, columns, style.red);
    case 'canceled':
      return spread(`- ${view.name}`, 'canceled', columns, style.dim);
    default: {
      const right = view.cached ? 'cached' : [amount, time].filter(Boolean).join('  ');
      const line = spread(`✓ ${view.name}`, right, columns, same);
      return line.startsWith('✓') ? `${style.green('✓')}${line.slice(1)}` : line;
    }
  }
}

/** A download or upload: its name, a bar, how much, how fast. */
function transferLine(view: VertexView, screen: Screen): string {
  const { amount } = view;
  const left = `    ${view.name}`;
  if (amount?.unit !== 'bytes') return truncate(left, screen.columns);
  return spread(
    left,
    amountText(amount, screen.nowMs - view.startMs, screen.columns),
    screen.columns,
    same,
  );
}

function amountText(
  { current, total }: { current: number; total?: number | undefined },
  elapsedMs: number,
  columns: number,
): string {
  const amount =
    total === undefined ? formatBytes(current) : `${formatBytes(current)} / ${formatBytes(total)}`;
  if (columns < WIDE_COLUMNS) return amount;
  const rate = elapsedMs < 100 ? '' : `${formatBytes((current / elapsedMs) * 1000)}/s`;
  return `${bar(current, total)} ${amount.padStart(17)} ${rate.padStart(9)}`;
}

function bar(current: number, total: number | undefined): string {
  if (total === undefined || total === 0) return ' '.repeat(BAR_COLUMNS + 2);
  const filled = Math.round(Math.min(1, current / total) * BAR_COLUMNS);
  return `[${'='.repeat(filled)}${' '.repeat(BAR_COLUMNS - filled)}]`;
}

/** Bytes to show for a vertex: its transfers' as long as one runs (or in the end), else its own. */
function shownBytes(
  view: VertexView,
  parts: readonly VertexView[],
): { current: number; total: number | undefined } | undefined {
  const isMoving = view.state !== 'running' || parts.some(({ state }) => state === 'running');
  const moved = isMoving ? sumBytes(parts) : undefined;
  if (moved !== undefined) return moved;
  return view.amount?.unit === 'bytes' ? view.amount : undefined;
}

/** A running vertex with its parts and the tail of its output, in at most `rows` lines. */
function runningLines(
  model: ProgressModel,
  view: VertexView,
  screen: Screen,
  rows: number,
): string[] {
  const { style, columns, nowMs, tick } = screen;
  const elapsedMs = Math.max(0, nowMs - view.startMs);
  const glyph = SPINNER[tick % SPINNER.length] ?? '';
  const parts = partsOf(model, view);
  const sum = shownBytes(view, parts);
  const time = formatDuration(elapsedMs);
  const right =
    sum === undefined ? time : `${amountText(sum, elapsedMs, columns)} ${time.padStart(6)}`;
  const lines = [spread(`${glyph} ${view.name}`, right, columns, same)];
  const moving = parts.filter(({ state }) => state === 'running').slice(0, TRANSFERS_MAX);
  if (moving.length > 1) lines.push(...moving.map((part) => transferLine(part, screen)));
  const room = Math.max(0, Math.min(TAIL_ROWS_MAX, rows - lines.length));
  const output = view.partial === '' ? view.tail : [...view.tail, view.partial];
  const tail = room === 0 ? [] : output.slice(-room);
  lines.push(...tail.map((line) => style.dim(truncate(`  │ ${line}`, columns))));
  return lines.slice(0, Math.max(1, rows));
}

/** The last line: how far the whole build is. */
function summaryLine(model: ProgressModel, screen: Screen): string {
  const steps = [...model.vertices.values()].filter(
    ({ kind }) => kind === 'step' || kind === 'source',
  );
  const done = steps.filter(({ state }) => state === 'completed').length;
  const count = Math.max(model.steps, steps.length);
  const left = `Building ${model.name} (${done}/${count} steps)`;
  const elapsedMs = (model.endMs ?? screen.nowMs) - (model.startMs ?? screen.nowMs);
  return screen.style.bold(spread(left, formatDuration(elapsedMs), screen.columns, same));
}

/** The part of the screen that is drawn again and again: what runs now, and a summary. */
export function liveLines(model: ProgressModel, screen: Screen): string[] {
  const running = [...model.vertices.values()].filter(
    ({ state, parent }) =>
      state === 'running' && (parent === undefined || !model.vertices.has(parent)),
  );
  const summary = summaryLine(model, screen);
  const rows = Math.max(1, screen.rows - 2);
  const shown = running.slice(0, rows);
  const share = Math.floor(rows / Math.max(1, shown.length));
  return [...shown.flatMap((view) => runningLines(model, view, screen, share)), summary];
}
