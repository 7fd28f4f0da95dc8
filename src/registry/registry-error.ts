import { UserError } from '../util/errors.js';
import type { ErrorCode } from '../util/error-codes.js';

/** One entry of `errors` in a registry's answer (distribution-spec, Error Codes). */
export interface Diagnostic {
  /** Like `MANIFEST_UNKNOWN`. */
  readonly code: string;
  readonly message: string;
}

export interface RegistryErrorOptions {
  readonly hint?: string;
  readonly cause?: unknown;
  readonly status?: number;
  readonly diagnostics?: readonly Diagnostic[];
  readonly transient?: boolean;
  readonly retryAfterMs?: number;
}

/** A registry refused (`status`, `diagnostics`), or did not answer (`status` undefined). */
export class RegistryError extends UserError {
  override name = 'RegistryError';
  readonly status: number | undefined;
  readonly diagnostics: readonly Diagnostic[];
  /** The same request may succeed later. */
  readonly transient: boolean;
  /** How long the registry asks to wait. */
  readonly retryAfterMs: number | undefined;

  constructor(code: ErrorCode, message: string, options: RegistryErrorOptions = {}) {
    const { hint, cause } = options;
    super(code, message, { ...(hint !== undefined && { hint }), cause });
    this.status = options.status;
    this.diagnostics = options.diagnostics ?? [];
    this.transient = options.transient ?? false;
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** A registry's answer that was not wanted. */
export interface Refusal {
  /** What was attempted: `fetch manifest of "x"`. */
  readonly what: string;
  /** The registry as the user writes it. */
  readonly domain: string;
  readonly status: number;
  readonly diagnostics: readonly Diagnostic[];
  readonly retryAfterMs: number | undefined;
  /** Credentials were sent. */
  readonly authorized: boolean;
}

const UNKNOWN = new Set(['MANIFEST_UNKNOWN', 'NAME_UNKNOWN', 'BLOB_UNKNOWN']);

/** The error that an answer means to the user. */
export function refusalError(refusal: Refusal): RegistryError {
  const { what, status, diagnostics, retryAfterMs } = refusal;
  const said = diagnostics.map(({ code, message }) => (message ? `${code}: ${message}` : code));
  const answer = `answer ${status}${said.length === 0 ? '' : ` (${said.join('; ')})`}`;
  const { code, hint } = meaningOf(refusal);
  return new RegistryError(code, `Cannot ${what}: ${answer}`, {
    ...(hint !== undefined && { hint }),
    status,
    diagnostics,
    transient: status === 408 || status === 429 || (status >= 500 && status !== 501),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  });
}

function meaningOf({ status, diagnostics, domain, authorized }: Refusal): {
  code: ErrorCode;
  hint?: string;
} {
  const login = `docker login ${domain}, or skopeo login --authfile ~/.docker/config.json ${domain}`;
  if (status === 401 || status === 403) {
    const hint = authorized
      ? `check the image's name; the credentials for ${domain} do not allow this`
      : `check the image's name; if it is private: ${login}`;
    return { code: 'TSB_AUTH', hint };
  }
  if (status === 404 || diagnostics.some(({ code }) => UNKNOWN.has(code))) {
    return { code: 'TSB_IMAGE_NOT_FOUND', hint: "check the image's name and tag" };
  }
  if (status === 429) {
    return {
      code: 'TSB_REGISTRY',
      hint: `the registry limits requests: wait, or log in: ${login}`,
    };
  }
  return { code: 'TSB_REGISTRY' };
}

/** Diagnostics in an answer's body; none if it is not what the specification says. */
export function parseDiagnostics(body: string): Diagnostic[] {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return [];
  }
  const errors: unknown =
    typeof value === 'object' && value !== null && 'errors' in value ? value.errors : [];
  if (!Array.isArray(errors)) return [];
  return errors.slice(0, DIAGNOSTICS_MAX).flatMap((entry: unknown) => {
    if (typeof entry !== 'object' || entry === null || !('code' in entry)) return [];
    const message = 'message' in entry ? clean(entry.message) : '';
    return [{ code: clean(entry.code), message }];
  });
}

const DIAGNOSTICS_MAX = 3;
const TEXT_LENGTH_MAX = 200;

/** A stranger's text for a terminal: one line, no control characters, not long. */
function clean(text: unknown): string {
  if (typeof text !== 'string') return '';
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ').slice(0, TEXT_LENGTH_MAX);
}
