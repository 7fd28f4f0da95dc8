import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';

/** The committer's time of every commit; seconds since 1970. */
export const COMMIT_TIME = 1_600_000_000;

const GIT_ENV = {
  PATH: process.env['PATH'],
  HOME: '/dev/null',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_AUTHOR_NAME: 'A',
  GIT_AUTHOR_EMAIL: 'a@example.org',
  GIT_COMMITTER_NAME: 'C',
  GIT_COMMITTER_EMAIL: 'c@example.org',
  GIT_AUTHOR_DATE: `${COMMIT_TIME} +0000`,
  GIT_COMMITTER_DATE: `${COMMIT_TIME} +0000`,
};

/** A repository that a test writes to. */
export class TestRepository {
  /** The bare repository. */
  readonly dir: string;
  readonly #work: string;

  constructor(root: string, name: string, format: 'sha1' | 'sha256') {
    this.dir = path.join(root, name);
    this.#work = path.join(root, `${name}.work`);
    mkdirSync(this.#work, { recursive: true });
    const options = ['--initial-branch=main', `--object-format=${format}`];
    this.git('init', '--quiet', ...options, `--separate-git-dir=${this.dir}`, '.');
    this.git('config', 'core.bare', 'false');
  }

  git(...args: string[]): string {
    return execFileSync('git', args, { cwd: this.#work, env: GIT_ENV, encoding: 'utf8' }).trim();
  }

  /** Runs git in the repository with bytes on its standard input. */
  gitWith(input: string | Buffer, ...args: string[]): string {
    const options = { cwd: this.#work, env: GIT_ENV, input };
    return execFileSync('git', args, options).toString('utf8').trim();
  }

  /** Writes files (`-> TARGET`: a symbolic link) and commits everything. Returns the commit. */
  commit(files: Readonly<Record<string, string>>): string {
    for (const [name, content] of Object.entries(files)) {
      const file = path.join(this.#work, name);
      mkdirSync(path.dirname(file), { recursive: true });
      rmSync(file, { force: true });
      if (content.startsWith('-> ')) symlinkSync(content.slice(3), file);
      else writeFileSync(file, content);
    }
    this.git('add', '--all');
    this.git('commit', '--quiet', '--allow-empty', '-m', 'commit');
    return this.git('rev-parse', 'HEAD');
  }

  /** Commits a tree that a working directory could not have. Returns the commit. */
  commitTree(lines: readonly string[], branch: string): string {
    const tree = this.gitWith(`${lines.join('\n')}\n`, 'mktree', '--missing');
    const commit = this.git('commit-tree', '-m', 'tree', tree);
    this.git('update-ref', `refs/heads/${branch}`, commit);
    return commit;
  }

  blob(content: string): string {
    return this.gitWith(content, 'hash-object', '-w', '--stdin');
  }
}

/** Answers a request in the place of git; returns whether it did. */
export type Interceptor = (request: IncomingMessage, response: ServerResponse) => boolean;

/** git's own http-backend on a loopback port. */
export class GitServer {
  readonly root: string;
  readonly url: string;
  /** Requests so far: `GET /a.git/info/refs?service=git-upload-pack`. */
  readonly requests: string[] = [];
  /** Asked before git is. */
  intercept: Interceptor = () => false;

  private constructor(root: string, server: Server) {
    this.root = root;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      this.requests.push(`${request.method ?? ''} ${request.url ?? ''}`);
      if (!this.intercept(request, response)) this.#serve(request, response);
    });
  }

  /** Ends with the test. */
  static async start(t: Pick<TestContext, 'after'>): Promise<GitServer> {
    const root = mkdtempSync(path.join(tmpdir(), 'tsbuild-git-'));
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => {
      server.closeAllConnections();
      server.close();
      rmSync(root, { recursive: true, force: true });
    });
    return new GitServer(root, server);
  }

  repository(name: string, format: 'sha1' | 'sha256' = 'sha1'): TestRepository {
    return new TestRepository(this.root, name, format);
  }

  /** Requires basic authorization: `user:password`. */
  requireAuthorization(credentials: string): void {
    const want = `Basic ${Buffer.from(credentials).toString('base64')}`;
    this.intercept = ({ headers }, response) => {
      if (headers.authorization === want) return false;
      response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
      return true;
    };
  }

  /** One request through CGI (RFC 3875). */
  #serve(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '/', this.url);
    const child = spawn('git', ['http-backend'], {
      env: {
        ...GIT_ENV,
        GIT_PROJECT_ROOT: this.root,
        GIT_HTTP_EXPORT_ALL: '1',
        GIT_CONFIG_COUNT: '1',
        GIT_CONFIG_KEY_0: 'safe.directory',
        GIT_CONFIG_VALUE_0: '*',
        REQUEST_METHOD: request.method,
        PATH_INFO: decodeURIComponent(url.pathname),
        QUERY_STRING: url.search.slice(1),
        CONTENT_TYPE: request.headers['content-type'] ?? '',
        HTTP_CONTENT_ENCODING: request.headers['content-encoding'] ?? '',
        GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''),
        REMOTE_ADDR: '127.0.0.1',
      },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    request.pipe(child.stdin);
    child.stdin.on('error', () => undefined);
    const parts: Buffer[] = [];
    child.stdout.on('data', (part: Buffer) => parts.push(part));
    child.on('close', () => {
      const output = Buffer.concat(parts);
      const end = output.indexOf('\r\n\r\n');
      let status = 200;
      for (const line of output.subarray(0, end).toString('latin1').split('\r\n')) {
        const colon = line.indexOf(':');
        const [name, value] = [line.slice(0, colon), line.slice(colon + 1).trim()];
        if (name.toLowerCase() === 'status') status = Number.parseInt(value, 10);
        else response.setHeader(name, value);
      }
      response.writeHead(status).end(output.subarray(end + 4));
    });
  }
}
