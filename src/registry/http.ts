import { Readable } from 'node:stream';
import { request, type Dispatcher } from 'undici';
import { HttpConnections } from '../util/http-connections.js';
import type { RegistryLimits } from './limits.js';
import { findNetworkError } from './network-error.js';
import type { RegistryError } from './registry-error.js';

/** A body that can be sent again. */
export interface RequestBody {
  readonly size: number;
  readonly open: () => AsyncIterable<Uint8Array>;
}

/** One HTTP request. */
export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: RequestBody | Buffer | undefined;
  readonly signal: AbortSignal | undefined;
  /** For messages: what is attempted, and the registry as the user writes it. */
  readonly what: string;
  readonly domain: string;
}

/** An answer. Its body must be read or dumped to the end. */
export interface HttpResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Dispatcher.ResponseData['body'];
  /** What was asked, without the query. */
  readonly url: URL;
}

/**
 * HTTP with time limits, through the proxies that HTTP_PROXY, HTTPS_PROXY and NO_PROXY name;
 * never through one to a loopback host. Connections are kept until disposal.
 */
export class Http implements AsyncDisposable {
  #limits: RegistryLimits;
  readonly #connections: HttpConnections;

  constructor(limits: RegistryLimits) {
    this.#limits = limits;
    this.#connections = new HttpConnections(limits);
  }

  /** One attempt, no redirect followed. RegistryError TSB_NETWORK, or what `body` threw. */
  async send({
    method,
    url,
    headers,
    body,
    signal,
    what,
    domain,
  }: HttpRequest): Promise<HttpResponse> {
    signal?.throwIfAborted();
    const source = body === undefined || Buffer.isBuffer(body) ? undefined : new Source(body);
    const sizeBytes = source?.size ?? (body as Buffer | undefined)?.length;
    try {
      const response = await request(url, {
        dispatcher: this.#connections.for(url),
        method,
        headers: {
          ...headers,
          ...(sizeBytes !== undefined && { 'content-length': String(sizeBytes) }),
        },
        body:
          source === undefined
            ? ((body as Buffer | undefined) ?? null)
            : Readable.from(source.read(), { objectMode: false }),
        signal: signal ?? null,
        headersTimeout:
          body === undefined ? this.#limits.headersTimeoutMs : this.#limits.uploadTimeoutMs,
        bodyTimeout: this.#limits.bodyIdleTimeoutMs,
      });
      return { status: response.statusCode, headers: response.headers, body: response.body, url };
    } catch (error) {
      signal?.throwIfAborted();
      source?.throwIfFailed();
      throw findNetworkError(error, what, domain) ?? error;
    }
  }

  /** Cuts what is still under way. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connections[Symbol.asyncDispose]();
  }
}

/** A body's reader that tells the source's failure from the connection's. */
class Source {
  #body: RequestBody;
  #failure: { error: unknown } | undefined;

  constructor(body: RequestBody) {
    this.#body = body;
  }

  get size(): number {
    return this.#body.size;
  }

  async *read(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for await (const chunk of this.#body.open()) yield chunk;
    } catch (error) {
      this.#failure = { error };
      throw error;
    }
  }

  throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}

/** The one value of a header. */
export function header(response: HttpResponse, name: string): string | undefined {
  const value = response.headers[name];
  return typeof value === 'string' ? value : value?.[0];
}

/** Passes the body on, its failures as RegistryError TSB_NETWORK. */
export async function* readBody(
  { body }: HttpResponse,
  request: Pick<HttpRequest, 'what' | 'domain' | 'signal'>,
): AsyncGenerator<Buffer, void, undefined> {
  const chunks = body[Symbol.asyncIterator]() as AsyncIterator<Buffer, unknown, undefined>;
  try {
    for (;;) {
      const next = await chunks.next().catch((error: unknown) => {
        request.signal?.throwIfAborted();
        throw findNetworkError(error, request.what, request.domain) ?? error;
      });
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    // A consumer that stops early must not leave the connection waiting for it.
    body.on('error', () => undefined).destroy();
  }
}

/** The whole body, if it has at most `bytesMax`; else what `tooLong` makes is thrown. */
export async function readAll(
  response: HttpResponse,
  request: Pick<HttpRequest, 'what' | 'domain' | 'signal'>,
  { bytesMax, tooLong }: { bytesMax: number; tooLong: () => RegistryError },
): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of readBody(response, request)) {
    size += chunk.length;
    if (size > bytesMax) throw tooLong();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Gives the connection back without looking at the rest of the body. */
export async function discardBody({ body }: HttpResponse): Promise<void> {
  // A failure here is that of an answer that nobody reads.
  await body.dump({ limit: DISCARD_BYTES_MAX }).catch(() => undefined);
}

const DISCARD_BYTES_MAX = 64 * 1024;
