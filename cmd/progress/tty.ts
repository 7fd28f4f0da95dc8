import type { BuildEvent } from '../../src/build/events.js';
import type { Style } from '../style.js';
import { failureReport } from './failure.js';
import { endLine, liveLines, type Screen } from './frame.js';
import { ProgressModel } from './model.js';
import type { Renderer, Sink } from './renderer.js';
import { displayWidth, escapeControls } from './text.js';
import { formatPosition } from '../snippet.js';

const FRAME_INTERVAL_MS = 100;
const HIDE_CURSOR = '\x1b[?25l';
const SHOW_CURSOR = '\x1b[?25h';
const CLEAR_LINE = '\x1b[2K';
const CLEAR_BELOW = '\x1b[J';
const cursorUp = (rows: number): string => (rows === 0 ? '' : `\x1b[${rows}A`);
// eslint-disable-next-line no-control-regex
const MARKUP = /\x1b\[\d+m/g;

/** A terminal to draw on. */
export interface Terminal extends Sink {
  readonly columns: number;
  readonly rows: number;
}

/** What the renderer gets from outside, so that tests can decide it. */
export interface TtyOptions {
  readonly style: Style;
  readonly now?: () => number;
  /** False: frames are drawn only by `draw()`. */
  readonly timer?: boolean;
}

/** The terminal renderer, with its frame as a call of its own for tests. */
export interface TtyRenderer extends Renderer {
  draw(): void;
}

/**
 * `--progress tty`: a line for each vertex that has ended, and below them, drawn again ten times
 * a second, what runs now with the tail of its output. Survives resizing: the height of the last
 * frame is computed for the terminal's present width.
 */
export function ttyRenderer(terminal: Terminal, options: TtyOptions): TtyRenderer {
  const { style, now = Date.now, timer = true } = options;
  const model = new ProgressModel();
  let pending: string[] = [];
  let drawnWidths: number[] = [];
  let tick = 0;
  let isClosed = false;

  const screen = (): Screen => ({
    // The last column stays free: some terminals wrap when it is written.
    columns: Math.max(1, terminal.columns - 1),
    rows: terminal.rows,
    nowMs: now(),
    tick,
    style,
  });

  const erase = (): string => {
    const columns = Math.max(1, terminal.columns);
    const height = drawnWidths.reduce(
      (sum, width) => sum + Math.max(1, Math.ceil(width / columns)),
      0,
    );
    return `\r${cursorUp(Math.min(height, Math.max(1, terminal.rows) - 1))}`;
  };

  const paint = (live: readonly string[]): void => {
    const lines = [...pending, ...live];
    const text = lines.map((line) => `${CLEAR_LINE}${line}\n`).join('');
    terminal.write(`${erase()}${text}${CLEAR_BELOW}`);
    drawnWidths = live.map((line) => displayWidth(line.replace(MARKUP, '')));
    pending = [];
  };

  const draw = (): void => {
    tick++;
    paint(liveLines(model, screen()));
  };

  const showCursor = (): void => void terminal.write(SHOW_CURSOR);
  terminal.write(HIDE_CURSOR);
  process.once('exit', showCursor);
  const interval = timer ? setInterval(draw, FRAME_INTERVAL_MS).unref() : undefined;

  const warningLines = ({ warning }: BuildEvent & { kind: 'warning' }): string[] => {
    const { source } = warning;
    const message = escapeControls(warning.message);
    const hint = warning.hint === undefined ? undefined : escapeControls(warning.hint);
    const where = source === undefined ? '' : `${formatPosition(source)}: `;
    const lines = [`${style.yellow('warning:')} ${where}${message}`];
    return hint === undefined ? lines : [...lines, `${style.cyan('hint:')} ${hint}`];
  };

  const handle = (event: BuildEvent): void => {
    const { view } = model.apply(event);
    if (event.kind === 'warning') pending.push(...warningLines(event));
    if (view === undefined || !isEnd(event)) return;
    const isPart = view.parent !== undefined && model.vertices.has(view.parent);
    if (!isPart || view.state === 'failed') pending.push(endLine(model, view, screen()));
  };

  const close = (): void => {
    if (isClosed) return;
    isClosed = true;
    clearInterval(interval);
    pending.push(...failureReport(model, style));
    paint([]);
    process.off('exit', showCursor);
    showCursor();
  };

  return { handle, close, draw };
}

function isEnd({ kind }: BuildEvent): boolean {
  return kind === 'vertex-completed' || kind === 'vertex-failed' || kind === 'vertex-canceled';
}
