import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import type { TestContext } from 'node:test';
import { requires } from './requires.js';

const SERVER = join(import.meta.dirname, 'memory-server.js');
const SYS = join(import.meta.dirname, '../sys');

/**
 * A mount in a mount namespace that only its server, and the commands run here, are in. Nothing
 * in this process touches it: a broken server must not hang the tests.
 */
export class MemoryMount implements AsyncDisposable {
  readonly #server: ChildProcess;
  readonly #dir = mkdtempSync(join(tmpdir(), 'fuse-test-'));
  readonly #lines: AsyncIterator<string>;

  private constructor(mode: string) {
    const args = ['--mount', '--propagation', 'private', process.execPath, SERVER, this.#dir, mode];
    this.#server = spawn('unshare', args, { stdio: ['ignore', 'pipe', 'inherit'] });
    assert.ok(this.#server.stdout);
    this.#lines = createInterface({ input: this.#server.stdout })[Symbol.asyncIterator]();
  }

  static async start(mode: string): Promise<MemoryMount> {
    const mount = new MemoryMount(mode);
    assert.equal((await mount.#lines.next()).value, 'mounted');
    return mount;
  }

  /** Runs a script in the mount; returns what it printed, both streams. */
  run(script: string): string {
    const enter = ['-t', this.pid, '-m', 'sh', '-c', `cd '${this.#dir}'\n${script}`];
    const env = { ...process.env, LC_ALL: 'C' };
    const options = { encoding: 'latin1' as const, env, timeout: 30_000 };
    const { stdout, stderr, error } = spawnSync('nsenter', enter, options);
    if (error !== undefined) throw error;
    return stdout + stderr;
  }

  /** Runs JavaScript in the mount; `sys(file)` imports a file of src/sys. */
  runScript(code: string): string {
    const prelude = `import fs from 'node:fs'; const sys = (f) => import('${SYS}/' + f + '.js');`;
    const quoted = `${prelude}\n${code}`.replaceAll("'", `'\\''`);
    return this.run(`'${process.execPath}' --input-type=module -e '${quoted}'`);
  }

  /** Runs a Python program in the mount. */
  runPython(code: string): string {
    return this.run(`python3 - <<'END'\n${code}\nEND\n`);
  }

  /** The server's process id. */
  get pid(): string {
    return String(this.#server.pid);
  }

  /** Unmounts, by force: also while requests wait; the server's last line and exit code. */
  async end({ force = false }: { force?: boolean } = {}): Promise<[unknown, unknown]> {
    const ended = this.ended();
    // By force, what waits is ended first, and the mount is in use until then.
    const umount = force
      ? `until umount -f '${this.#dir}'; do sleep 0.1; done`
      : `umount '${this.#dir}'`;
    this.run(`cd /; ${umount}`);
    return ended;
  }

  /** Waits until the server has ended by itself: its last line and exit code. */
  async ended(): Promise<[unknown, unknown]> {
    const { exitCode } = this.#server;
    const exited = exitCode === null ? once(this.#server, 'exit') : [exitCode];
    return [(await this.#lines.next()).value, (await exited)[0]];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#server.exitCode === null && this.#server.signalCode === null) {
      const exited = once(this.#server, 'exit');
      this.#server.kill('SIGKILL');
      await exited;
    }
    rmdirSync(this.#dir);
  }
}

/** Whether this machine can have one; else the test is skipped, or fails: see requires. */
export function canMount(t: TestContext): boolean {
  return requires(t, 'root', 'fuse', 'program:unshare', 'program:nsenter');
}
