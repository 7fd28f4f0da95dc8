import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { request, type Dispatcher } from 'undici';
import { messageOf, UserError } from '../util/errors.js';
import { HttpConnections } from '../util/http-connections.js';
import { redactUrls } from '../util/redact.js';
import type { HttpUrl } from './http-url.js';
import { basicAuthorization } from './http-url.js';
import type { RemoteLimits } from './limits.js';

/** What is known of an earlier download, to ask whether it is still the same. */
export interface Validators {
  readonly etag: string | undefined;
  /** As the server wrote it. */
  readonly lastModified: string | undefined;
}

/** A file to download. */
export interface HttpFetch {
  readonly target: HttpUrl;
  /** The value of an Authorization header; sent to the URL's own origin alone. */
  readonly authorization: string | undefined;
  /** Undefined: the file is wanted whatever it is. */
  readonly known: Validators | undefined;
  /** Takes the bytes from the first on; called again when a download is begun anew. */
  readonly receive: (bytes: AsyncIterable<Buffer>) => Promise<void>;
  readonly onProgress: (bytes: number, total: number | undefined) => void;
}

/** How a download ended. */
export type HttpOutcome =
  | { readonly kind: 'unchanged' }
  | { readonly kind: 'received'; readonly validators: Validators; readonly size: number };

const REDIRECTS: readonly number[] = [301, 302, 303, 307, 308];
const TRANSIENT_STATUS: readonly number[] = [408, 425, 429, 500, 502, 503, 504];
const DISCARD_BYTES_MAX = 64 * 1024;

/** A failure that another try may not have. */
class TransientError extends UserError {
  override name = 'TransientError';
  readonly retryAfterMs: number | undefined;

  constructor(message: string, options: { cause?: unknown; retryAfterMs?: number | undefined }) {
    super('TSB_NETWORK', message, { cause: options.cause });
    this.retryAfterMs = options.retryAfterMs;
  }
}

/**
 * Downloads through the proxies that HTTP_PROXY, HTTPS_PROXY and NO_PROXY name; never through one
 * to a loopback host. Connections are kept until disposal.
 */
export class HttpClient implements AsyncDisposable {
  readonly #limits: RemoteLimits;
  readonly #userAgent: string;
  readonly #connections: HttpConnections;

  constructor({ limits, userAgent }: { limits: RemoteLimits; userAgent: string }) {
    this.#limits = limits;
    this.#connections = new HttpConnections(limits);
    this.#userAgent = userAgent;
  }

  /** Throws TSB_NETWORK, TSB_AUTH, TSB_LIMIT, TSB_BUILD (refused), and what `receive` throws. */
  async fetch(fetch: HttpFetch, signal: AbortSignal): Promise<HttpOutcome> {
    const deadline = AbortSignal.timeout(this.#limits.downloadMsMax);
    const either = AbortSignal.any([signal, deadline]);
    try {
      return await this.#fetchAgain(fetch, either);
    } catch (error) {
      signal.throwIfAborted();
      if (!deadline.aborted) throw error;
      const hours = this.#limits.downloadMsMax / 3_600_000;
      throw new UserError(
        'TSB_LIMIT',
        `Cannot fetch "${fetch.target.shown}": it took more than ${hours} hours`,
      );
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connections[Symbol.asyncDispose]();
  }

  async #fetchAgain(fetch: HttpFetch, signal: AbortSignal): Promise<HttpOutcome> {
    const { attemptsMax, backoffFirstMs, retryAfterMsMax } = this.#limits;
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#fetchOnce(fetch, signal);
      } catch (error) {
        if (!(error instanceof TransientError) || attempt >= attemptsMax) throw error;
        const delayMs = error.retryAfterMs ?? backoffFirstMs * 2 ** (attempt - 1);
        if (delayMs > retryAfterMsMax) throw error;
        await sleep(delayMs, undefined, { signal });
      }
    }
  }

  async #fetchOnce(fetch: HttpFetch, signal: AbortSignal): Promise<HttpOutcome> {
    const { target, known, receive, onProgress } = fetch;
    const { statusCode: status, headers, body } = await this.#follow(fetch, signal);
    if (status === 304 && known !== undefined) {
      await discard(body);
      return { kind: 'unchanged' };
    }
    if (status !== 200) {
      await discard(body);
      throw refusal(target, status, one(headers['retry-after']));
    }
    const length = one(headers['content-length']);
    const total = length !== undefined && /^\d{1,15}$/.test(length) ? Number(length) : undefined;
    const meter = new Meter(target, { total, bytesMax: this.#limits.downloadBytesMax, onProgress });
    await receive(meter.measure(body, signal));
    meter.assertWhole();
    const etag = one(headers.etag);
    const lastModified = one(headers['last-modified']);
    return { kind: 'received', validators: { etag, lastModified }, size: meter.size };
  }

  async #follow(
    { target, authorization, known }: HttpFetch,
    signal: AbortSignal,
  ): Promise<Dispatcher.ResponseData> {
    const { credentials, shown } = target;
    const own = authorization ?? (credentials && basicAuthorization(credentials));
    let url = target.url;
    for (let redirects = 0; ; redirects++) {
      const response = await this.#send(url, shown, signal, {
        ...(known?.etag !== undefined && { 'if-none-match': known.etag }),
        ...(known?.lastModified !== undefined && { 'if-modified-since': known.lastModified }),
        // INVARIANT: credentials go to the origin that they are for, and to no other.
        ...(own !== undefined && url.origin === target.url.origin && { authorization: own }),
      });
      if (!REDIRECTS.includes(response.statusCode)) return response;
      await discard(response.body);
      if (redirects >= this.#limits.redirectsMax) {
        throw refused(shown, `more than ${this.#limits.redirectsMax} redirects`);
      }
      url = redirectTarget(shown, url, one(response.headers.location));
    }
  }

  async #send(
    url: URL,
    shown: string,
    signal: AbortSignal,
    headers: Record<string, string>,
  ): Promise<Dispatcher.ResponseData> {
    try {
      return await request(url, {
        dispatcher: this.#connections.for(url),
        method: 'GET',
        // The bytes as they are kept: a checksum is of them.
        headers: { 'user-agent': this.#userAgent, 'accept-encoding': 'identity', ...headers },
        signal,
        headersTimeout: this.#limits.headersTimeoutMs,
        bodyTimeout: this.#limits.bodyIdleTimeoutMs,
      });
    } catch (error) {
      signal.throwIfAborted();
      throw connectionError(shown, error);
    }
  }
}

interface MeterOptions {
  /** What the server promised. */
  readonly total: number | undefined;
  readonly bytesMax: number;
  readonly onProgress: HttpFetch['onProgress'];
}

/** Counts the bytes of a body. */
class Meter {
  readonly #target: HttpUrl;
  readonly #options: MeterOptions;
  size = 0;

  constructor(target: HttpUrl, options: MeterOptions) {
    this.#target = target;
    this.#options = options;
    if (options.total !== undefined) this.#assertSize(options.total);
  }

  async *measure(body: Readable, signal: AbortSignal): AsyncGenerator<Buffer, void, undefined> {
    const { total, onProgress } = this.#options;
    const chunks = body[Symbol.asyncIterator]() as AsyncIterator<Buffer, unknown, undefined>;
    try {
      for (;;) {
        const next = await chunks.next().catch((error: unknown) => {
          signal.throwIfAborted();
          throw connectionError(this.#target.shown, error);
        });
        if (next.done === true) return;
        this.size += next.value.length;
        this.#assertSize(this.size);
        onProgress(this.size, total);
        yield next.value;
      }
    } finally {
      // A reader that stops early must not leave the connection waiting for it.
      body.on('error', () => undefined).destroy();
    }
  }

  assertWhole(): void {
    const { total } = this.#options;
    if (total === undefined || total === this.size) return;
    const found = `found ${this.size} bytes, want ${total}`;
    throw new TransientError(`Cannot fetch "${this.#target.shown}": ${found}`, {});
  }

  #assertSize(size: number): void {
    const { bytesMax } = this.#options;
    if (size <= bytesMax) return;
    const message = `Cannot fetch "${this.#target.shown}": it has more than ${bytesMax} bytes`;
    throw new UserError('TSB_LIMIT', message);
  }
}

function redirectTarget(shown: string, base: URL, location: string | undefined): URL {
  if (location === undefined) throw refused(shown, 'a redirect to nowhere');
  if (!URL.canParse(location, base.href)) throw refused(shown, 'a redirect to what is no URL');
  const url = new URL(location, base);
  const place = redactUrls(`${url.protocol}//${url.host}`);
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    throw refused(shown, `a redirect to ${place}, want http or https`);
  }
  if (base.protocol === 'https:' && url.protocol === 'http:') {
    throw refused(shown, `a redirect from https to ${place}`, 'Write that URL, with --checksum');
  }
  url.username = '';
  url.password = '';
  return url;
}

function refused(shown: string, found: string, hint?: string): UserError {
  return new UserError('TSB_BUILD', `Cannot fetch "${shown}": found ${found}`, {
    ...(hint !== undefined && { hint }),
  });
}

function refusal(
  { shown, url }: HttpUrl,
  status: number,
  retryAfter: string | undefined,
): UserError {
  const message = `Cannot fetch "${shown}": the server answered with status ${status}`;
  if (TRANSIENT_STATUS.includes(status)) {
    const seconds = /^\d{1,6}$/.test(retryAfter ?? '') ? Number(retryAfter) : undefined;
    return new TransientError(message, { retryAfterMs: seconds && seconds * 1000 });
  }
  if (status === 401 || status === 403) {
    const hint = `If it is private: --secret id=HTTP_AUTH_TOKEN_${url.hostname},env=NAME`;
    return new UserError('TSB_AUTH', message, { hint });
  }
  return new UserError('TSB_BUILD', message, status === 404 ? { hint: 'Check the URL' } : {});
}

/** Failures that no other try heals, or that took long: names, certificates, silent servers. */
const FINAL_CODES =
  /^(?:ENOTFOUND|CERT_|ERR_TLS_|ERR_SSL_|SELF_SIGNED|DEPTH_ZERO|UNABLE_TO|HPE_|UND_ERR_(?:INVALID|NOT_SUPPORTED|HEADERS_(?:OVERFLOW|TIMEOUT)))/;

function connectionError(shown: string, error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof UserError) return error;
  // Node's happy eyeballs: one failure per address.
  const inner: unknown = error instanceof AggregateError ? error.errors[0] : error;
  const code = inner instanceof Error && 'code' in inner ? String(inner.code) : '';
  if (code === '') return error;
  const isSilent = code === 'UND_ERR_HEADERS_TIMEOUT';
  const found = isSilent ? 'the server does not answer' : redactUrls(messageOf(inner) || code);
  const message = `Cannot fetch "${shown}": ${found}`;
  if (!FINAL_CODES.test(code)) return new TransientError(message, { cause: error });
  const isTrust = /SELF_SIGNED|DEPTH_ZERO|UNABLE_TO/.test(code);
  return new UserError('TSB_NETWORK', message, {
    cause: error,
    ...(isTrust && { hint: 'trust its authority: NODE_EXTRA_CA_CERTS=FILE.pem' }),
  });
}

async function discard(body: Dispatcher.ResponseData['body']): Promise<void> {
  // A failure here is that of an answer that nobody reads.
  await body.dump({ limit: DISCARD_BYTES_MAX }).catch(() => undefined);
}

function one(value: string | string[] | undefined): string | undefined {
  return typeof value === 'string' ? value : value?.[0];
}
