/** One level's method: structured fields, then the message. */
export type LogMethod = (fields: Readonly<Record<string, unknown>>, message: string) => void;

/** What may be logged to: pino's logger, or nothing. */
export interface Logger {
  readonly trace: LogMethod;
  readonly debug: LogMethod;
  readonly info: LogMethod;
  readonly warn: LogMethod;
  readonly error: LogMethod;
}

/** The levels of `--log-level`, most talkative first. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Where a log goes (undefined: standard error), and what it tells. */
export interface LogTarget {
  readonly level: LogLevel;
  readonly file: string | undefined;
}

const nothing = (): void => undefined;

/** A logger that drops everything, and costs nothing. */
export const SILENT: Logger = {
  trace: nothing,
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: nothing,
};

/**
 * Opens a pino logger that writes JSON lines to `file`, or to standard error. Writes are
 * synchronous: a process that dies loses no line.
 */
export async function openLogger(level: LogLevel, file?: string): Promise<Logger> {
  if (level === 'silent') return SILENT;
  const { pino } = await import('pino');
  const destination = pino.destination({ dest: file ?? 2, sync: true, mkdir: true });
  const log = pino({ level, base: { pid: process.pid } }, destination);
  const method =
    (name: keyof Logger): LogMethod =>
    (fields, message) =>
      log[name](fields, message);
  return {
    trace: method('trace'),
    debug: method('debug'),
    info: method('info'),
    warn: method('warn'),
    error: method('error'),
  };
}
