import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { PatternSearch } from '../src/secrets/pattern-search.js';
import { patternsOf } from '../src/secrets/patterns.js';
import { findMounts, findProcesses, waitFor } from '../src/testing/processes.js';
import { requires } from '../src/testing/requires.js';
import type { RunningTsbuild, TsbuildResult } from '../src/testing/tsbuild.js';
import { startTsbuild } from '../src/testing/tsbuild.js';
import { ensureTestUser } from '../src/testing/user.js';

/** Secrets are in no layer, output or file of tsbuild's, however a build ends. */
const NEEDS = ['root', 'fuse', 'program:busybox', 'program:newuidmap'] as const;
/** Within this time after a kill, mounts and processes must be gone. */
const GONE_MS = 1000;
/** Everything below the store is small but for sparse files; those are read in parts. */
const READ_BYTES_MAX = 64 * 1024 * 1024;
/** Of this run of the tests alone: processes are found by it. */
const TOKEN = `glpat-7Qx+2/vN"${String(process.pid).padStart(10, '0')}`;
const SEARCH = new PatternSearch(patternsOf([{ id: 'token', bytes: Buffer.from(TOKEN) }]));

const HEAD = ['FROM scratch', 'COPY busybox /bin/busybox', 'SHELL ["/bin/busybox", "sh", "-c"]'];
const RUN = 'RUN --mount=type=secret,id=token,env=TOKEN --mount=type=secret,id=token,target=/t';
const B = '/bin/busybox';

/** Files below a directory whose path or content has the secret, in whatever form. */
function filesWithSecret(dir: string): string[] {
  return readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
    const path = join(dir, entry.name);
    if (SEARCH.idsIn(Buffer.from(entry.name)).size > 0) return [path];
    if (entry.isDirectory()) return filesWithSecret(path);
    if (!entry.isFile()) return [];
    const bytes = readFileSync(path).subarray(0, READ_BYTES_MAX);
    return SEARCH.idsIn(bytes).size > 0 ? [path] : [];
  });
}

function assertHidden(text: string): void {
  assert.equal(SEARCH.idsIn(Buffer.from(text)).size, 0, text);
}

/** A user's store, temporary directory and logs: nothing else is written by a build. */
class Place {
  readonly dir: string = mkdtempSync(join(tmpdir(), 'tsbuild-secrets-'));
  readonly written: string = join(this.dir, 'written');
  readonly #given = join(this.dir, 'given');
  user: string | undefined;
  #serial = 0;

  prepare(user: string | undefined): void {
    this.user = user;
    mkdirSync(this.#given);
    mkdirSync(join(this.written, 'tmp'), { recursive: true });
    copyFileSync('/bin/busybox', join(this.#given, 'busybox'));
    chmodSync(join(this.#given, 'busybox'), 0o755);
    writeFileSync(join(this.#given, 'token'), `${TOKEN}\n`);
    chmodSync(this.dir, 0o755);
    if (user !== undefined) execFileSync('chown', ['-R', user, this.dir]);
  }

  start(lines: readonly string[], args: readonly string[] = [], input = ''): RunningTsbuild {
    const file = join(this.dir, `Buildfile-${++this.#serial}`);
    writeFileSync(file, [...HEAD, ...lines, ''].join('\n'));
    const log = ['--log-level', 'trace', '--log-file', join(this.written, 'log')];
    return startTsbuild(['build', ...log, '-f', file, ...args, this.#given], {
      root: join(this.written, 'store'),
      env: { TMPDIR: join(this.written, 'tmp') },
      input,
      ...(this.user !== undefined && { user: this.user }),
    });
  }

  /** A build with the secret. */
  async build(lines: readonly string[], args: readonly string[] = []): Promise<TsbuildResult> {
    return await this.start(lines, [...this.secret, ...args]).done;
  }

  get secret(): string[] {
    return ['--secret', `id=token,src=${join(this.#given, 'token')}`];
  }

  assertClean(): void {
    assert.deepEqual(filesWithSecret(this.written), []);
  }
}

const LEAKS: readonly (readonly [name: string, script: string, where: RegExp])[] = [
  ['a file, in Base64', `${B} base64 /t >/file`, /is in "\/file" \(in Base64\)/],
  [
    'a huge file with holes',
    `${B} dd if=/t of=/huge bs=1M seek=2048 2>&- && echo end >>/huge`,
    /is in "\/huge"/,
  ],
  ['a name', `${B} mkdir -p "/d/$TOKEN"`, /is in the name "\/d\/\*\*\*/],
  ['the target of a link', `${B} ln -s "$TOKEN" /l`, /is in the target of the link "\/l"/],
];

for (const who of ['root', 'an ordinary user'] as const) {
  describe(`secrets of ${who}`, { concurrency: 1 }, () => {
    const place = new Place();
    before(() => {
      if (process.getuid?.() !== 0 || !existsSync('/bin/busybox')) return;
      place.prepare(who === 'root' ? undefined : ensureTestUser().name);
    });
    after(() => rmSync(place.dir, { recursive: true, force: true }));

    test('are masked, and nowhere after a build that succeeds', async (t) => {
      if (!requires(t, ...NEEDS)) return;
      const metadata = join(place.written, 'metadata');
      const lines = [
        `${RUN} ${B} cat /t >&2; echo "$TOKEN" | ${B} base64; echo -n "\${TOKEN%??????????}"; \\`,
        `  ${B} sleep 0.1; echo "\${TOKEN#???????????????}"; ${B} grep core /proc/self/limits`,
      ];
      const args = ['--progress', 'json', '--metadata-file', metadata, '-t', 'masked'];
      const { exitCode, stdout, stderr } = await place.build(lines, args);
      assert.equal(exitCode, 0, stderr);
      assertHidden(stdout + stderr);
      const said = `${stdout}${stderr}`
        .split('\n')
        .filter((line) => line.includes('vertex-output'))
        .map((line) => (JSON.parse(line) as { text: string }).text)
        .join('');
      assert.match(said, /\*\*\*\n/);
      assert.match(said, /Max core file size +1 /);
      place.assertClean();
    });

    test('come from standard input', async (t) => {
      if (!requires(t, ...NEEDS)) return;
      const args = ['--secret', 'id=token,src=/dev/stdin'];
      const lines = [`${RUN} [ -n "$TOKEN" ] && ${B} cat /t`];
      const { exitCode, stderr } = await place.start(lines, args, `${TOKEN}\n`).done;
      assert.equal(exitCode, 0, stderr);
      assert.match(stderr, /\*\*\*\n/);
      assertHidden(stderr);
      place.assertClean();
    });

    test('stop a step that leaves them', async (t) => {
      if (!requires(t, ...NEEDS)) return;
      for (const [name, script, where] of LEAKS.slice(0, who === 'root' ? undefined : 1)) {
        const { exitCode, stderr } = await place.build([`${RUN} ${script}`]);
        assert.equal(exitCode, 1, name);
        assert.match(stderr, where);
        assert.match(stderr, /Buildfile-\d+:4\n/);
        assertHidden(stderr);
        place.assertClean();
      }
    });

    test('are nowhere after a RUN that fails', async (t) => {
      if (who !== 'root') return;
      if (!requires(t, ...NEEDS)) return;
      const script = `${B} dd if=/t of=/large bs=1M seek=1 2>&-; echo "no: $TOKEN"; exit 3`;
      const { exitCode, stderr } = await place.build([`${RUN} ${script}`]);
      assert.equal(exitCode, 3);
      assert.match(stderr, /no: \*\*\*/);
      assertHidden(stderr);
      place.assertClean();
    });

    const signals = who === 'root' ? (['SIGINT', 'SIGKILL'] as const) : (['SIGKILL'] as const);
    for (const signal of signals) {
      test(`are nowhere after ${signal}, and in no command line`, async (t) => {
        if (!requires(t, ...NEEDS)) return;
        const seconds = signal === 'SIGINT' ? '4242' : '4343';
        const running = place.start([`${RUN} ${B} sleep ${seconds}`], place.secret);
        t.after(() => void running.child.kill());
        const sleeping = `sleep ${seconds}`;
        const isSleeping = (): true | undefined =>
          findProcesses(TOKEN).some(({ command }) => command.includes(sleeping)) || undefined;
        await waitFor('the RUN', isSleeping);
        // Only the command itself may have it in its environment.
        for (const { command } of findProcesses(TOKEN)) {
          assert.ok(command.startsWith(B), command);
          assertHidden(command);
        }
        place.assertClean();
        const processes = findProcesses(place.written);
        for (const { pid, command } of processes) {
          if (!command.includes('server-process')) continue;
          // From tsbuild's own process, which has the secret in its memory.
          assert.match(readFileSync(`/proc/${pid}/limits`, 'utf8'), /Max core file size +1 /);
        }
        const family = processes.map(({ pid }) => pid);
        if (place.user === undefined) running.child.kill(signal);
        else for (const pid of family) tryKill(pid, signal);
        await running.done;
        await waitFor('the end of the RUN', () => (isSleeping() ? undefined : true), GONE_MS);
        assert.deepEqual(findMounts(place.written), []);
        place.assertClean();
      });
    }
  });
}

/** It may have ended with another one. */
function tryKill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, 'ESRCH');
  }
}

describe('a secret that is allowed in a layer', { concurrency: 1 }, () => {
  const place = new Place();
  before(() => {
    if (process.getuid?.() === 0 && existsSync('/bin/busybox')) place.prepare(undefined);
  });
  after(() => rmSync(place.dir, { recursive: true, force: true }));

  test('is warned of, and the layer is not taken for other builds', async (t) => {
    if (!requires(t, ...NEEDS)) return;
    const lines = [
      'RUN --mount=type=secret,id=token,env=TOKEN echo "${TOKEN:-none}" >/file',
      `RUN ${B} cat /file >/other`,
    ];
    const args = ['--progress', 'plain'];
    const allowed = await place.build(lines, [...args, '--allow-secret-in-layer=token']);
    assert.equal(allowed.exitCode, 0, allowed.stderr);
    assert.match(allowed.stderr, /warning: .*:4: Secret "token" is in "\/file"\n/);
    assert.match(allowed.stderr, /warning: .*:5: Secret "token" is in "\/other"\n/);
    assertHidden(allowed.stderr);
    assert.equal(filesWithSecret(join(place.written, 'store')).length, 2);

    const refused = await place.build(lines, args);
    assert.equal(refused.exitCode, 1);
    assert.match(refused.stderr, /Buildfile-\d+:4\n/);
    const without = await place.start(lines, args).done;
    assert.equal(without.exitCode, 0, without.stderr);
    assert.match(without.stderr, /not cached: the secret in its layer is not allowed/);
    const again = await place.build(lines, [...args, '--allow-secret-in-layer']);
    assert.equal(again.exitCode, 0);
    assert.match(again.stderr, /RUN .*\n#\d+ CACHED/);
    assert.doesNotMatch(again.stderr, /warning/);
  });

  test('of a build argument with such a name, the command line is warned', async (t) => {
    if (!requires(t, ...NEEDS)) return;
    const { exitCode, stderr } = await place.build(
      ['ARG NPM_TOKEN'],
      ['--build-arg', 'NPM_TOKEN=x'],
    );
    assert.equal(exitCode, 0, stderr);
    assert.match(stderr, /warning: Build argument "NPM_TOKEN" looks like a secret/);
    assert.match(stderr, /--secret id=npm_token,env=NPM_TOKEN/);
  });
});
