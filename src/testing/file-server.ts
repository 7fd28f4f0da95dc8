import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';

/** Answers a request. */
export type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** A server of files on a loopback port. */
export class FileServer {
  readonly url: string;
  /** By path. A text or bytes are answered with 200. */
  readonly files: Map<string, string | Buffer | Answer> = new Map();
  /** Requests so far: `GET /a 200`. */
  readonly requests: string[] = [];

  private constructor(port: number) {
    this.url = `http://127.0.0.1:${port}`;
  }

  /** Ends with the test. */
  static async start(t: Pick<TestContext, 'after'>): Promise<FileServer> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const files = new FileServer((server.address() as AddressInfo).port);
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      response.on('close', () => {
        files.requests.push(`${request.method ?? ''} ${request.url ?? ''} ${response.statusCode}`);
      });
      files.#answer(request, response);
    });
    t.after(() => {
      server.closeAllConnections();
      server.close();
    });
    return files;
  }

  /** A file with validators: 304 where they match. */
  versioned(path: string, content: string, headers: Readonly<Record<string, string>>): void {
    this.files.set(path, (request, response) => {
      const { etag } = headers;
      const same =
        etag === undefined
          ? request.headers['if-modified-since'] === headers['last-modified']
          : request.headers['if-none-match'] === etag;
      response.writeHead(same ? 304 : 200, headers).end(same ? undefined : content);
    });
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const file = this.files.get(new URL(request.url ?? '/', this.url).pathname);
    if (typeof file === 'function') file(request, response);
    else if (file === undefined) response.writeHead(404).end();
    else response.end(file);
  }
}
