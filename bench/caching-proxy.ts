import { createServer, get, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

interface Answer {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: Buffer;
}

/** Headers that go on to the client. */
const KEPT_HEADERS = ['content-type', 'last-modified', 'etag', 'location'];

function keep(headers: IncomingMessage['headers']): Record<string, string> {
  return Object.fromEntries(
    KEPT_HEADERS.flatMap((name) => {
      const value = headers[name];
      return typeof value === 'string' ? [[name, value]] : [];
    }),
  );
}

function fetchOnce(url: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    get(url, (response) => {
      buffer(response).then(
        (body) =>
          resolve({ status: response.statusCode ?? 502, headers: keep(response.headers), body }),
        reject,
      );
    }).on('error', reject);
  });
}

/**
 * A plain-http proxy on loopback that keeps every answer in memory, so that only the first round
 * of a benchmark meets the network.
 */
export class CachingProxy implements AsyncDisposable {
  readonly #answers = new Map<string, Promise<Answer>>();
  readonly #server: Server;
  #misses = 0;

  private constructor() {
    this.#server = createServer((request, response) => {
      const url = request.url ?? '';
      if (request.method !== 'GET' || !url.startsWith('http://')) {
        response.writeHead(501).end();
        return;
      }
      this.#answer(url).then(
        ({ status, headers, body }) => response.writeHead(status, headers).end(body),
        (error: unknown) => response.writeHead(502).end(String(error)),
      );
    });
  }

  static async start(): Promise<CachingProxy> {
    const proxy = new CachingProxy();
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  /** What `http_proxy` is set to. */
  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Requests that went to the network so far. */
  get misses(): number {
    return this.#misses;
  }

  #answer(url: string): Promise<Answer> {
    let answer = this.#answers.get(url);
    if (answer === undefined) {
      this.#misses++;
      answer = fetchOnce(url);
      this.#answers.set(url, answer);
      answer.catch(() => this.#answers.delete(url));
    }
    return answer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
