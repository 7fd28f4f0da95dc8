/** Columns between tab stops. */
const TAB_COLUMNS = 8;

/* eslint-disable no-control-regex -- control characters are what these look for */
// CSI sequences, OSC sequences up to BEL or ST, and the other escapes of two or three bytes.
const ESCAPES =
  /\x9b[0-?]*[ -/]*[@-~]|\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])/g;
// C0 but tab, DEL, C1, and the marks that change the direction of writing.
const CONTROLS = /[\x00-\x08\x0a-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
/* eslint-enable no-control-regex */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u;
const ZERO_WIDTH = /[\p{M}\u200b-\u200d\ufeff]/u;
const ASCII = /^[\x20-\x7e]*$/;

/**
 * A line of a program's output as it may be written to a terminal: what a carriage return has
 * overwritten is gone, and so are escape sequences and control characters; tabs are spaces.
 */
export function sanitizeLine(line: string): string {
  if (ASCII.test(line)) return line;
  const kept = line.replace(/\r+$/, '');
  const visible = kept.slice(kept.lastIndexOf('\r') + 1);
  return expandTabs(visible.replace(ESCAPES, '').replace(CONTROLS, ''));
}

/**
 * A message that quotes what others wrote, as it may be written to a terminal: control characters
 * but newlines and tabs are shown as `\\u001b`.
 */
export function escapeControls(text: string): string {
  return text.replace(CONTROLS, (character) => {
    if (character === '\n') return character;
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}

function expandTabs(text: string): string {
  if (!text.includes('\t')) return text;
  let expanded = '';
  for (const piece of text.split(/(\t)/)) {
    if (piece !== '\t') expanded += piece;
    else expanded += ' '.repeat(TAB_COLUMNS - (displayWidth(expanded) % TAB_COLUMNS));
  }
  return expanded;
}

function characterWidth(character: string): number {
  if (ZERO_WIDTH.test(character)) return 0;
  return WIDE.test(character) ? 2 : 1;
}

/** The number of columns that a sanitized text takes on a terminal. */
export function displayWidth(text: string): number {
  if (ASCII.test(text)) return text.length;
  let width = 0;
  for (const character of text) width += characterWidth(character);
  return width;
}

/** The beginning of a sanitized text, in at most `columns` columns; `…` where it was cut. */
export function truncate(text: string, columns: number): string {
  if (displayWidth(text) <= columns) return text;
  if (columns < 1) return '';
  let kept = '';
  let width = 1;
  for (const character of text) {
    width += characterWidth(character);
    if (width > columns) break;
    kept += character;
  }
  return `${kept}…`;
}

/** A text padded with spaces to `columns` columns. */
export function padEnd(text: string, columns: number): string {
  return text + ' '.repeat(Math.max(0, columns - displayWidth(text)));
}

/** A duration as `0.4s`, `12.3s`, `2m03s`, `1h02m`. */
export function formatDuration(durationMs: number): string {
  const seconds = durationMs / 1000;
  if (seconds < 59.95) return `${seconds.toFixed(1)}s`;
  const whole = Math.round(seconds);
  const minutes = Math.floor(whole / 60);
  const two = (count: number): string => String(count).padStart(2, '0');
  if (minutes < 60) return `${minutes}m${two(whole % 60)}s`;
  return `${Math.floor(minutes / 60)}h${two(minutes % 60)}m`;
}

/** A size in decimal units, three digits: `999 B`, `1.23 kB`, `45.6 MB`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${value.toFixed(digits)} ${units[unit] ?? ''}`;
}
