import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { digestOf } from '../oci/digest.js';
import type { Answer, Fault, FaultAct } from './registry-fault.js';
import { sendAnswer } from './registry-fault.js';

export interface TestRegistryOptions {
  /** How clients must prove who they are; `bearer` without a login gives tokens to everybody. */
  readonly auth?: 'none' | 'basic' | 'bearer';
  readonly login?: { readonly username: string; readonly password: string };
  /** Taken by the token server instead of a password. */
  readonly identityToken?: string;
  /** Send blob downloads to another origin with 307. */
  readonly redirectBlobs?: boolean;
}

/** A request as it arrived. */
export interface SeenRequest {
  /** `METHOD /path?query`. */
  readonly line: string;
  readonly server: 'registry' | 'storage' | 'token';
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

interface StoredManifest {
  readonly bytes: Buffer;
  readonly mediaType: string;
}

const NOBODY = Buffer.alloc(0);

/**
 * A registry in memory, on loopback, with faults to inject. Its blob storage and its token
 * server are origins of their own. Not complete: what the client of src/registry uses.
 */
export class TestRegistry implements AsyncDisposable {
  /** By digest. Any repository has every blob, unless `hidden` has `PATH@DIGEST`. */
  readonly blobs: Map<string, Buffer> = new Map<string, Buffer>();
  readonly hidden: Set<string> = new Set<string>();
  /** By `PATH:TAG` and `PATH@DIGEST`. */
  readonly manifests: Map<string, StoredManifest> = new Map<string, StoredManifest>();
  readonly seen: SeenRequest[] = [];
  #options: TestRegistryOptions;
  #faults: { fault: Fault; left: number }[] = [];
  #servers: Server[] = [];
  #hosts = { registry: '', storage: '', token: '' };
  #uploads = new Map<string, Buffer>();
  #tokens = new Map<string, Set<string>>();

  private constructor(options: TestRegistryOptions) {
    this.#options = options;
  }

  static async start(options: TestRegistryOptions = {}): Promise<TestRegistry> {
    const registry = new TestRegistry(options);
    for (const role of ['registry', 'storage', 'token'] as const) {
      const server = createServer((request, response) => {
        void registry.#serve(role, request, response);
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      registry.#servers.push(server);
      registry.#hosts[role] = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    }
    return registry;
  }

  /** `127.0.0.1:PORT`. */
  get host(): string {
    return this.#hosts.registry;
  }

  /** All three origins, for a client's list of hosts that speak plain http. */
  get insecureRegistries(): string[] {
    return Object.values(this.#hosts);
  }

  inject(fault: Fault): void {
    this.#faults.push({ fault, left: fault.times ?? 1 });
  }

  /** Ends the life of all tokens. */
  expireTokens(): void {
    this.#tokens.clear();
  }

  addBlob(bytes: Buffer): string {
    const digest = digestOf(bytes);
    this.blobs.set(digest, bytes);
    return digest;
  }

  addManifest(path: string, tag: string, bytes: Buffer, mediaType: string): void {
    this.manifests.set(`${path}:${tag}`, { bytes, mediaType });
    this.manifests.set(`${path}@${digestOf(bytes)}`, { bytes, mediaType });
  }

  /** The lines of the requests that `server` got. */
  lines(server: SeenRequest['server'] = 'registry'): string[] {
    return this.seen.filter((request) => request.server === server).map(({ line }) => line);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.#servers) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  async #serve(
    server: SeenRequest['server'],
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    response.on('error', () => undefined);
    const line = `${request.method ?? ''} ${request.url ?? ''}`;
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request) chunks.push(chunk as Buffer);
    } catch {
      return;
    }
    const seen: SeenRequest = {
      line,
      server,
      headers: request.headers,
      body: Buffer.concat(chunks),
    };
    this.seen.push(seen);
    const act = this.#takeFault(line);
    if (act?.kind === 'cut' && act.afterBytes === undefined) {
      request.socket.destroy();
      return;
    }
    if (act?.kind === 'slow') await sleep(act.delayMs);
    const answer =
      act?.kind === 'status'
        ? { status: act.status, headers: { ...act.headers }, body: Buffer.from(act.body ?? '') }
        : this.#answer(seen, act?.kind === 'no-range');
    if (act?.kind === 'headers') Object.assign(answer.headers, act.headers);
    if (act?.kind === 'body') answer.body = act.change(answer.body);
    sendAnswer(line, answer, response, act);
  }

  #takeFault(line: string): FaultAct | undefined {
    const entry = this.#faults.find(({ fault, left }) => left > 0 && fault.on.test(line));
    if (entry !== undefined) entry.left--;
    return entry?.fault.act;
  }

  #answer(seen: SeenRequest, ignoreRange: boolean): Answer {
    const [method = '', target = ''] = seen.line.split(' ');
    const url = new URL(target, `http://${this.host}`);
    if (seen.server === 'token') return this.#token(method, url, seen);
    if (seen.server === 'storage') return this.#storage(url, seen, ignoreRange);
    const refusal = this.#refusal(method, url, seen);
    if (refusal !== undefined) return refusal;
    const [, path = '', kind, name = ''] =
      /^\/v2\/(.+)\/(manifests|blobs\/uploads|blobs)\/(.*)$/.exec(url.pathname) ?? [];
    if (kind === 'manifests') return this.#manifest(method, path, name, seen);
    if (kind === 'blobs') return this.#blob(path, name, seen, ignoreRange);
    if (kind === 'blobs/uploads') return this.#upload(method, path, url, seen);
    return problem(404, 'NAME_UNKNOWN');
  }

  #refusal(method: string, url: URL, { headers }: SeenRequest): Answer | undefined {
    const { auth = 'none' } = this.#options;
    const { authorization } = headers;
    if (auth === 'none') return undefined;
    if (auth === 'basic') {
      if (authorization === this.#basic()) return undefined;
      return problem(401, 'UNAUTHORIZED', { 'www-authenticate': 'Basic realm="test"' });
    }
    const path = /^\/v2\/(.+)\/(?:manifests|blobs)\//.exec(url.pathname)?.[1] ?? '';
    const action = method === 'GET' || method === 'HEAD' ? 'pull' : 'push';
    const granted = this.#tokens.get(authorization?.replace(/^Bearer /, '') ?? '');
    if (granted?.has(`${path}:${action}`) === true) return undefined;
    const realm = `http://${this.#hosts.token}/token`;
    const scope = `repository:${path}:${action === 'pull' ? 'pull' : 'pull,push'}`;
    const challenge = `Bearer realm="${realm}",service="test registry",scope="${scope}"`;
    return problem(401, 'UNAUTHORIZED', { 'www-authenticate': challenge });
  }

  #token(method: string, url: URL, { headers, body }: SeenRequest): Answer {
    const form = new URLSearchParams(body.toString());
    const { login, identityToken } = this.#options;
    const isKnown =
      method === 'POST'
        ? form.get('refresh_token') === identityToken && form.get('grant_type') === 'refresh_token'
        : login === undefined || headers.authorization === this.#basic();
    if (!isKnown) return problem(401, 'UNAUTHORIZED');
    const scopes =
      method === 'POST' ? (form.get('scope') ?? '').split(' ') : url.searchParams.getAll('scope');
    const token = `token-${this.#tokens.size + 1}-${Date.now()}`;
    const grants = scopes.flatMap((scope) => {
      const [, path = '', actions = ''] = scope.split(':');
      return actions.split(',').map((action) => `${path}:${action}`);
    });
    this.#tokens.set(token, new Set(grants));
    const answer = method === 'POST' ? { access_token: token } : { token, expires_in: 300 };
    return { status: 200, headers: {}, body: Buffer.from(JSON.stringify(answer)) };
  }

  #basic(): string {
    const { username = '', password = '' } = this.#options.login ?? {};
    return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
  }

  #manifest(method: string, path: string, name: string, { headers, body }: SeenRequest): Answer {
    if (method === 'PUT') {
      const mediaType = headers['content-type'] ?? '';
      this.addManifest(path, name, body, mediaType);
      const digest = digestOf(body);
      return { status: 201, headers: { 'docker-content-digest': digest }, body: NOBODY };
    }
    const stored = this.manifests.get(`${path}${name.startsWith('sha256:') ? '@' : ':'}${name}`);
    if (stored === undefined) return problem(404, 'MANIFEST_UNKNOWN');
    const digest = digestOf(stored.bytes);
    const type = { 'content-type': stored.mediaType, 'docker-content-digest': digest };
    return { status: 200, headers: type, body: stored.bytes };
  }

  #blob(path: string, digest: string, seen: SeenRequest, ignoreRange: boolean): Answer {
    const isHidden = this.hidden.has(`${path}@${digest}`);
    if (!this.blobs.has(digest) || isHidden) return problem(404, 'BLOB_UNKNOWN');
    if (this.#options.redirectBlobs === true && seen.line.startsWith('GET')) {
      const location = `http://${this.#hosts.storage}/${digest}?signature=secret`;
      return { status: 307, headers: { location }, body: NOBODY };
    }
    return this.#bytes(digest, seen, ignoreRange);
  }

  #storage(url: URL, seen: SeenRequest, ignoreRange: boolean): Answer {
    return this.#bytes(url.pathname.slice(1), seen, ignoreRange);
  }

  #bytes(digest: string, { headers }: SeenRequest, ignoreRange: boolean): Answer {
    const bytes = this.blobs.get(digest);
    if (bytes === undefined) return problem(404, 'BLOB_UNKNOWN');
    const start = Number(/^bytes=(\d+)-$/.exec(headers.range ?? '')?.[1] ?? NaN);
    if (Number.isNaN(start) || ignoreRange) return { status: 200, headers: {}, body: bytes };
    if (start >= bytes.length) return problem(416, 'UNSUPPORTED');
    const range = `bytes ${start}-${bytes.length - 1}/${bytes.length}`;
    return { status: 206, headers: { 'content-range': range }, body: bytes.subarray(start) };
  }

  #upload(method: string, path: string, url: URL, { headers, body }: SeenRequest): Answer {
    const mount = url.searchParams.get('mount');
    const from = url.searchParams.get('from');
    const id = url.searchParams.get('id') ?? String(this.#uploads.size + 1);
    const location = { location: `/v2/${path}/blobs/uploads/?id=${id}` };
    if (method === 'POST') {
      if (mount !== null && this.blobs.has(mount) && !this.hidden.has(`${from ?? ''}@${mount}`)) {
        this.hidden.delete(`${path}@${mount}`);
        return { status: 201, headers: {}, body: NOBODY };
      }
      this.#uploads.set(id, NOBODY);
      return { status: 202, headers: location, body: NOBODY };
    }
    const soFar = this.#uploads.get(id);
    if (soFar === undefined) return problem(404, 'BLOB_UPLOAD_UNKNOWN');
    if (method === 'PATCH') {
      const start = Number(headers['content-range']?.split('-')[0]);
      if (start !== soFar.length) return problem(416, 'BLOB_UPLOAD_INVALID');
      this.#uploads.set(id, Buffer.concat([soFar, body]));
      return { status: 202, headers: location, body: NOBODY };
    }
    const bytes = Buffer.concat([soFar, body]);
    const digest = digestOf(bytes);
    if (digest !== url.searchParams.get('digest')) return problem(400, 'DIGEST_INVALID');
    this.blobs.set(digest, bytes);
    this.hidden.delete(`${path}@${digest}`);
    return { status: 201, headers: { 'docker-content-digest': digest }, body: NOBODY };
  }
}

function problem(status: number, code: string, headers: Record<string, string> = {}): Answer {
  const body = JSON.stringify({ errors: [{ code, message: `said ${code}`, detail: {} }] });
  return { status, headers, body: Buffer.from(body) };
}
