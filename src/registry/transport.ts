import { Authenticator } from './auth.js';
import type { FindCredential } from './credentials.js';
import type { HttpRequest, HttpResponse } from './http.js';
import { Http, discardBody, header, readBody } from './http.js';
import type { RegistryLimits } from './limits.js';
import { Origins } from './origin.js';
import type { Diagnostic } from './registry-error.js';
import { RegistryError, parseDiagnostics, refusalError } from './registry-error.js';
import { parseRetryAfter } from './retry.js';

/** A request to a registry; `expect` names the statuses that are no error. */
export interface RegistryRequest extends Omit<HttpRequest, 'headers'> {
  readonly headers?: Readonly<Record<string, string>>;
  readonly scopes: readonly string[];
  readonly expect: readonly number[];
}

export interface TransportOptions {
  readonly insecureRegistries: readonly string[];
  readonly credentials: FindCredential | undefined;
  readonly userAgent: string;
  readonly limits: RegistryLimits;
  /** A registry's `Warning` header, once each. */
  readonly onWarning: ((domain: string, text: string) => void) | undefined;
}

const REDIRECTS: readonly number[] = [301, 302, 303, 307, 308];

/** One attempt of a request: authorization, redirects, and errors made readable. */
export class Transport implements AsyncDisposable {
  readonly origins: Origins;
  readonly limits: RegistryLimits;
  #http: Http;
  #auth: Authenticator;
  #userAgent: string;
  #onWarning: TransportOptions['onWarning'];
  #warned = new Set<string>();

  constructor({ insecureRegistries, credentials, userAgent, limits, onWarning }: TransportOptions) {
    this.limits = limits;
    this.origins = new Origins(insecureRegistries);
    this.#http = new Http(limits);
    this.#userAgent = userAgent;
    this.#onWarning = onWarning;
    const findCredential = credentials;
    const { origins } = this;
    this.#auth = new Authenticator({
      http: this.#http,
      origins,
      limits,
      userAgent,
      findCredential,
    });
  }

  /**
   * Sends once (twice after a 401). The answer's status is one of `expect`, its body unread.
   * RegistryError otherwise; a failure of the request's own body comes out as it is.
   */
  async send(request: RegistryRequest): Promise<HttpResponse> {
    const first = await this.#auth.findAuthorization(request);
    const response = await this.#follow(request, first);
    if (response.status !== 401 || !this.#isRegistry(response.url, request.domain)) {
      return this.#check(request, response, first !== undefined);
    }
    if (!(await this.#auth.challenged(request, response, first))) {
      return this.#check(request, response, first !== undefined);
    }
    await discardBody(response);
    const second = await this.#auth.findAuthorization(request);
    return this.#check(request, await this.#follow(request, second), second !== undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#http[Symbol.asyncDispose]();
  }

  /** INVARIANT: the authorization goes to the registry's own origin and to no other. */
  async #follow(
    request: RegistryRequest,
    authorization: string | undefined,
  ): Promise<HttpResponse> {
    let { url } = request;
    for (let redirects = 0; ; redirects++) {
      const isOwn = authorization !== undefined && this.#isRegistry(url, request.domain);
      const headers = {
        'user-agent': this.#userAgent,
        ...request.headers,
        ...(isOwn && { authorization }),
      };
      const response = await this.#http.send({ ...request, url, headers });
      this.#warn(request.domain, response);
      if (!REDIRECTS.includes(response.status) || request.expect.includes(response.status)) {
        return response;
      }
      await discardBody(response);
      const location = header(response, 'location');
      const refuse = (found: string): RegistryError =>
        new RegistryError('TSB_REGISTRY', `Cannot ${request.what}: ${found}`, {
          status: response.status,
        });
      if (location === undefined) throw refuse(`answer ${response.status} without a location`);
      if (request.method !== 'GET' && request.method !== 'HEAD') {
        throw refuse(`answer ${response.status} to a ${request.method}`);
      }
      if (redirects >= this.limits.redirectsMax) {
        throw refuse(`more than ${this.limits.redirectsMax} redirects`);
      }
      url = this.origins.follow(location, url, request.what);
    }
  }

  #isRegistry(url: URL, domain: string): boolean {
    return url.origin === this.origins.baseUrl(domain).origin;
  }

  async #check(
    request: RegistryRequest,
    response: HttpResponse,
    authorized: boolean,
  ): Promise<HttpResponse> {
    if (request.expect.includes(response.status)) return response;
    const { what, domain } = request;
    const { status } = response;
    const diagnostics = await this.#diagnostics(request, response);
    const retryAfterMs = parseRetryAfter(header(response, 'retry-after'), Date.now());
    throw refusalError({ what, domain, status, diagnostics, retryAfterMs, authorized });
  }

  /** What the answer's body says, as far as it can be read: the status is the error. */
  async #diagnostics(request: RegistryRequest, response: HttpResponse): Promise<Diagnostic[]> {
    const chunks: Buffer[] = [];
    let size = 0;
    try {
      for await (const chunk of readBody(response, request)) {
        chunks.push(chunk);
        size += chunk.length;
        if (size > this.limits.errorBodyBytesMax) return [];
      }
    } catch (error) {
      if (!(error instanceof RegistryError)) throw error;
    }
    return parseDiagnostics(Buffer.concat(chunks).toString('utf8'));
  }

  #warn(domain: string, { headers }: HttpResponse): void {
    const values = [headers['warning'] ?? []].flat();
    for (const value of values) {
      const text = /^299 - "((?:[^"\\]|\\.)*)"/.exec(value)?.[1]?.replace(/\\(.)/g, '$1');
      if (text === undefined || this.#warned.has(`${domain} ${text}`)) continue;
      this.#warned.add(`${domain} ${text}`);
      this.#onWarning?.(domain, text);
    }
  }
}
