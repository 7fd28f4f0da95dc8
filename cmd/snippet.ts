import type { SourceRange } from '../src/util/errors.js';
import { maskUrls } from '../src/util/redact.js';
import { STDIN_NAME } from './buildfile.js';
import { displayWidth } from './progress/text.js';

/** Lines shown before and after the one at fault. */
const SNIPPET_CONTEXT_LINES = 2;
/** Columns from which on a line is cut: it may be a script of a megabyte. */
const SNIPPET_COLUMNS_MAX = 500;
/** Of a long range the first and last lines are shown. */
const SNIPPET_ENDS_LINES = 8;

/**
 * The lines of `source` and some around them; `>>>` marks the ones meant, `^` the characters. Of
 * a long range only both ends are shown, and the line with the characters. Credentials of URLs are
 * masked.
 */
export function snippet(source: SourceRange, text: string): string[] {
  const lines = text.split(/\r?\n/);
  if (lines.at(-1) === '') lines.pop();
  const { startLine, endLine, at } = source;
  const first = Math.max(1, startLine - SNIPPET_CONTEXT_LINES);
  const last = Math.min(lines.length, endLine + SNIPPET_CONTEXT_LINES);
  const width = String(last).length + 2;
  const isShown = (line: number): boolean =>
    line < startLine + SNIPPET_ENDS_LINES ||
    line > endLine - SNIPPET_ENDS_LINES ||
    Math.abs(line - (at?.line ?? startLine)) <= SNIPPET_CONTEXT_LINES;
  const shown: string[] = [];
  for (let line = first; line <= last; line++) {
    if (!isShown(line)) {
      if (isShown(line - 1)) shown.push(`${'…'.padStart(width)} |`);
      continue;
    }
    const mark = line >= startLine && line <= endLine ? '>>>' : '   ';
    // A log may have more readers than the Buildfile.
    const written = maskUrls((lines[line - 1] ?? '').slice(0, SNIPPET_COLUMNS_MAX));
    shown.push(`${String(line).padStart(width)} | ${mark} ${written}`.trimEnd());
    if (line === at?.line && at.column + at.length <= SNIPPET_COLUMNS_MAX) {
      const start = at.column - 1;
      // Tabs stay, so that the marks stand where the characters stand.
      const before = written.slice(0, start).split('\t').map(blanksFor).join('\t');
      const marks = '^'.repeat(Math.max(1, displayWidth(written.slice(start, start + at.length))));
      shown.push(`${' '.repeat(width)} |     ${before}${marks}`);
    }
  }
  return shown;
}

function blanksFor(text: string): string {
  return ' '.repeat(displayWidth(text));
}

/** `Buildfile:3:12`, the column where it is known. */
export function formatPosition({ file, startLine, at }: SourceRange): string {
  const name = file === STDIN_NAME ? 'standard input' : file;
  return at === undefined ? `${name}:${startLine}` : `${name}:${at.line}:${at.column}`;
}
