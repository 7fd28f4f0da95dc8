import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Cleanup } from '../util/cleanup.js';

const START_TIMEOUT_MS = 20_000;

/** The login of a registry that wants one, and its line in an htpasswd file (bcrypt). */
export const REGISTRY_LOGIN = { username: 'tester', password: 'pa:ss word' } as const;
const HTPASSWD = 'tester:$2y$05$Cv6.ojFwplncdiKjSfsGGO3qou8S1WgIz3FPahq6GeIaez88sTwLq\n';

/** Debian's docker-registry on loopback, with storage of its own, until disposal. */
export interface DockerRegistry extends AsyncDisposable {
  /** `127.0.0.1:PORT`, plain http. */
  readonly host: string;
}

/** Starts docker-registry; `login`: it lets in {@link REGISTRY_LOGIN} only. */
export async function startDockerRegistry(
  options: { login?: boolean } = {},
): Promise<DockerRegistry> {
  await using cleanup = new Cleanup();
  const dir = mkdtempSync(join(tmpdir(), 'docker-registry-'));
  cleanup.defer(() => {
    rmSync(dir, { recursive: true, force: true });
  });
  const htpasswd = join(dir, 'htpasswd');
  writeFileSync(htpasswd, HTPASSWD);
  const auth = { auth: { htpasswd: { realm: 'tsbuild test', path: htpasswd } } };
  // JSON is YAML.
  const config = {
    version: 0.1,
    log: { level: 'info', formatter: 'text' },
    storage: { filesystem: { rootdirectory: join(dir, 'storage') } },
    http: { addr: '127.0.0.1:0' },
    ...(options.login === true && auth),
  };
  writeFileSync(join(dir, 'config.yml'), JSON.stringify(config));
  const child = spawn('docker-registry', ['serve', join(dir, 'config.yml')], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { PATH: process.env['PATH'], OTEL_TRACES_EXPORTER: 'none' },
  });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  cleanup.defer(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  const host = await listening(child);
  const owned = cleanup.move();
  return { host, [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose]() };
}

function listening(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    const said: string[] = [];
    const fail = (why: string): void => {
      clearTimeout(timer);
      reject(new Error(`Cannot start docker-registry: ${why}: ${said.slice(-5).join('\n')}`));
    };
    const timer = setTimeout(() => fail('no answer'), START_TIMEOUT_MS);
    child.once('error', (error) => fail(error.message));
    child.once('exit', (code) => fail(`exit code ${code ?? 'none'}`));
    if (child.stderr === null) throw new Error('Cannot read docker-registry: no pipe');
    createInterface(child.stderr).on('line', (line) => {
      said.push(line);
      const host = /listening on (127\.0\.0\.1:\d+)/.exec(line)?.[1];
      if (host === undefined) return;
      clearTimeout(timer);
      resolve(host);
    });
  });
}
