import { readFileSync } from 'node:fs';
import { InternalError } from '../src/util/assert.js';
import { ERROR_CODES, EXIT } from '../src/util/error-codes.js';
import { hasCode, messageOf, UserError } from '../src/util/errors.js';
import { escapeControls } from './progress/text.js';
import { InterruptedError } from './signals.js';
import { formatPosition, snippet } from './snippet.js';
import { PLAIN, styleFor, type Style } from './style.js';

/** A cause may be its own cause's cause. */
const CAUSES_MAX = 10;

/** How to show an error. `read` gives a file's text, or undefined. */
export interface FormatOptions {
  readonly isVerbose: boolean;
  readonly style?: Style;
  readonly read?: (file: string) => string | undefined;
}

/** The failure that matters: tsc's SuppressedError has it in `suppressed`. */
export function unwrap(error: unknown): unknown {
  let inner = error;
  while (inner instanceof Error && inner.name === 'SuppressedError' && 'suppressed' in inner) {
    inner = inner.suppressed;
  }
  return inner;
}

/** What the process exits with after `error`: see the table of exit codes. */
export function exitCodeOf(error: unknown): number {
  const found = unwrap(error);
  if (found instanceof InterruptedError) return found.exitCode;
  if (found instanceof UserError) {
    if (ERROR_CODES[found.code].usage) return EXIT.usage;
    return exitStatusOf(found) ?? EXIT.failed;
  }
  return isBug(found) ? EXIT.internal : EXIT.failed;
}

/** The status of the command that a failed RUN ran, found in the error or its causes. */
function exitStatusOf(error: UserError): number | undefined {
  if (error.code !== 'TSB_RUN_FAILED') return undefined;
  return causesOf(error)
    .map((each) => each instanceof Error && 'exitCode' in each && each.exitCode)
    .find((code): code is number => typeof code === 'number' && code > 0 && code < 256);
}

/** A failure that nobody foresaw: neither ours to explain nor the system's. */
function isBug(error: unknown): boolean {
  if (error instanceof InternalError) return true;
  if (error instanceof UserError || !(error instanceof Error)) return false;
  return !('code' in error && 'syscall' in error);
}

/** `error` and its causes, outermost first. */
function causesOf(error: unknown): unknown[] {
  const causes: unknown[] = [];
  let next: unknown = error;
  while (next !== undefined && causes.length < CAUSES_MAX) {
    causes.push(next);
    next = next instanceof Error ? next.cause : undefined;
  }
  return causes;
}

function formatBug(error: unknown): string[] {
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return [
    escapeControls(stack),
    'This is a bug in tsbuild. Please report it with the lines above.',
  ];
}

/** What an error says; it may quote others. */
function shownMessage(error: unknown): string {
  return escapeControls(messageOf(error));
}

/** The report of `error`, line by line, without a final newline. */
export function formatError(error: unknown, options: FormatOptions): string[] {
  const { style = PLAIN, read = () => undefined, isVerbose } = options;
  const found = unwrap(error);
  const label = style.bold(style.red('error:'));
  if (isBug(found)) {
    return [`${label} ${shownMessage(found)}`, ...formatBug(found)];
  }
  const lines = [`${label} ${shownMessage(found)}`];
  if (found instanceof UserError) {
    const { source, hint } = found;
    if (source !== undefined) {
      lines.push(style.bold(escapeControls(formatPosition(source))));
      const text = read(source.file);
      if (text !== undefined) lines.push(...snippet(source, text).map(escapeControls));
    }
    if (hint !== undefined) lines.push(`${style.cyan('hint:')} ${escapeControls(hint)}`);
  }
  if (!isVerbose) return lines;
  const [, ...causes] = causesOf(found);
  for (const cause of causes) lines.push(style.dim(`caused by: ${shownMessage(cause)}`));
  if (found instanceof UserError) lines.push(style.dim(`code: ${found.code}`));
  return lines;
}

function readSource(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    // The Buildfile may have come from standard input, or be gone by now.
    if (hasCode(error, 'ENOENT', 'EACCES', 'EISDIR', 'ENOTDIR')) return undefined;
    throw error;
  }
}

/**
 * Prints `error` to standard error; returns the exit code. `sources`: texts by file name that are
 * not to be read.
 */
export function printError(
  error: unknown,
  { isVerbose, sources }: { isVerbose: boolean; sources: ReadonlyMap<string, string> },
): number {
  const style = styleFor(process.stderr, process.env);
  const read = (file: string): string | undefined => sources.get(file) ?? readSource(file);
  process.stderr.write(`${formatError(error, { isVerbose, style, read }).join('\n')}\n`);
  return exitCodeOf(error);
}
