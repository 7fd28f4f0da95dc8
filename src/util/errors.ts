import type { ErrorCode } from './error-codes.js';

/** Where in a file a message belongs. Lines and columns count from 1; `end` is inclusive. */
export interface SourceRange {
  readonly file: string;
  readonly startLine: number;
  readonly endLine: number;
  /** The characters that are meant, where they are known. */
  readonly at?: SourcePoint;
}

/** Some characters of one line; `column` in UTF-16 units, as editors count. */
export interface SourcePoint {
  readonly line: number;
  readonly column: number;
  readonly length: number;
}

/** What a {@link UserError} carries besides its message. */
export interface UserErrorOptions {
  /** What to type or change next. */
  readonly hint?: string;
  readonly source?: SourceRange;
  readonly cause?: unknown;
}

/**
 * A failure that the user can understand and act on. The message reads
 * `Cannot <verb> <quoted thing>: <found>, want <wanted>`, without a full stop; codes are the
 * catalogue of `error-codes.ts`, and decide the exit code.
 */
export class UserError extends Error {
  override name = 'UserError';
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly source: SourceRange | undefined;

  constructor(code: ErrorCode, message: string, options: UserErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
    this.source = options.source;
  }

  /** The same error with a position, unless it has one already. */
  at(source: SourceRange): UserError {
    if (this.source !== undefined) return this;
    const { message, hint, cause } = this;
    return new UserError(this.code, message, { ...(hint && { hint }), source, cause });
  }
}

/** The message of anything thrown, for embedding in another message. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Whether `error` is a system call's failure with this code (`ENOENT`, …). */
export function hasCode(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && 'code' in error && codes.some((code) => error.code === code);
}

/** What helps when files of the local store are gone or damaged. */
export const STORE_DAMAGED_HINT =
  'The store is damaged: remove the images that use the layer (tsbuild rmi, tsbuild prune --all), and build or pull them again';
