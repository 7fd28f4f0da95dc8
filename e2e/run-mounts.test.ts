import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync } from 'node:fs';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { findMounts, findProcesses, waitFor } from '../src/testing/processes.js';
import { requires } from '../src/testing/requires.js';
import type { TsbuildResult } from '../src/testing/tsbuild.js';
import { startTsbuild, tsbuild, tsbuildOk } from '../src/testing/tsbuild.js';
import { ensureTestUser } from '../src/testing/user.js';

/** What fixtures/buildfiles cannot show of RUN --mount, as root and as an ordinary user. */
const NEEDS = ['root', 'fuse', 'program:busybox', 'program:newuidmap'] as const;
/** Within this time after a kill, mounts and processes must be gone. */
const GONE_MS = 1000;
const HEAD = ['FROM scratch', 'COPY busybox /bin/busybox', 'SHELL ["/bin/busybox", "sh", "-c"]'];
/** Not in a script, a log or a layer but by way of the secret. */
const SECRET = 'hunter2-correct-horse-battery-staple';

for (const who of ['root', 'an ordinary user'] as const) {
  describe(`RUN --mount as ${who}`, { concurrency: 3 }, () => {
    const dir = mkdtempSync(join(tmpdir(), 'tsbuild-mounts-'));
    const context = join(dir, 'context');
    let user: string | undefined;
    const files = new Map<string, string>();
    const rootOf = (name: string): string => join(dir, name);

    before(() => {
      if (process.getuid?.() !== 0 || !existsSync('/bin/busybox')) return;
      mkdirSync(context);
      copyFileSync('/bin/busybox', join(context, 'busybox'));
      chmodSync(join(context, 'busybox'), 0o755);
      writeFileSync(join(context, 'file'), 'file\n');
      chmodSync(dir, 0o755);
      if (who === 'root') return;
      const account = ensureTestUser();
      user = account.name;
      execFileSync('chown', ['-R', user, dir]);
    });
    after(() => rmSync(dir, { recursive: true, force: true }));

    /** The same file for the same lines: its name is part of what a step is compared with. */
    const fileOf = (lines: readonly string[]): string => {
      const text = [...HEAD, ...lines, ''].join('\n');
      const file = files.get(text) ?? join(dir, `Buildfile-${files.size}`);
      files.set(text, file);
      writeFileSync(file, text);
      return file;
    };
    const optionsOf = (store: string): { root: string; user?: string } => {
      return { root: rootOf(store), ...(user !== undefined && { user }) };
    };
    const argsOf = (lines: readonly string[], args: readonly string[]): string[] => {
      return ['build', '--progress', 'plain', '-f', fileOf(lines), ...args, context];
    };
    const build = (
      store: string,
      lines: readonly string[],
      args: readonly string[] = [],
    ): Promise<TsbuildResult> => tsbuild(argsOf(lines, args), optionsOf(store));
    const assertBuilds = async (...args: Parameters<typeof build>): Promise<string> => {
      const { exitCode, stderr } = await build(...args);
      assert.equal(exitCode, 0, stderr);
      return stderr;
    };

    test('a secret is in no layer, history, record or log, and decides no key', async (t) => {
      if (!requires(t, ...NEEDS)) return;
      const lines = [
        'RUN --mount=type=secret,id=token,env=TOKEN --mount=type=secret,id=token,target=/t \\',
        '  test "$(/bin/busybox cat /t)" = "$TOKEN" && echo ${#TOKEN} > /length',
      ];
      const secret = join(dir, 'token');
      writeFileSync(secret, SECRET);
      const log = join(dir, 'log');
      const layout = join(dir, 'layout');
      const args = ['--secret', `id=token,src=${secret}`, '-o', `type=oci,dest=${layout}`];
      await assertBuilds('secret', lines, [...args, '--log-level', 'trace', '--log-file', log]);
      for (const place of [rootOf('secret'), layout, log]) {
        const found = execFileSync('sh', [
          '-c',
          'grep -rlF -- "$1" "$2" || true',
          '',
          SECRET,
          place,
        ]);
        assert.equal(found.toString(), '', place);
      }
      writeFileSync(secret, 'another one');
      assert.match(await assertBuilds('secret', lines, args.slice(0, 2)), /\] RUN .*\n#\d+ CACHED/);
    });

    test('what is mounted decides whether a step runs again, not what a cache is called', async (t) => {
      if (!requires(t, ...NEEDS) || who !== 'root') return;
      const from = join(dir, 'from');
      mkdirSync(join(from, 'sub'), { recursive: true });
      const file = join(from, 'sub/file');
      writeFileSync(file, '1');
      const lines = ['RUN --mount=from=f,source=sub,target=/m --mount=type=cache,target=/c true'];
      const other = lines.map((line) => line.replace('/c ', '/c,id=x,sharing=locked '));
      const args = (...more: string[]): string[] => ['--build-context', `f=${from}`, ...more];
      const outcome = async (text: readonly string[], more: readonly string[]): Promise<string> => {
        const said = await assertBuilds('keys', text, args(...more));
        return /\] RUN .*\n#\d+ (.*)\n/.exec(said)?.[1] ?? said;
      };
      await outcome(lines, ['--add-host', 'db:10.0.0.1']);
      writeFileSync(join(from, 'unseen'), '');
      assert.equal(await outcome(other, ['--add-host', 'db:10.0.0.2']), 'CACHED');
      writeFileSync(file, '2');
      const added = await outcome(lines, ['--add-host', 'db:10.0.0.2']);
      assert.match(added, /not cached: what is mounted changed/);
      const limited = ['--add-host', 'db:10.0.0.2', '--ulimit', 'core=0'];
      assert.match(await outcome(lines, limited), /not cached: a limit of --ulimit changed/);
    });

    test('the socket of an agent is there with its owner, and gone in the image', async (t) => {
      if (!requires(t, ...NEEDS)) return;
      const socket = join(dir, 'agent.sock');
      const agent = createServer((client) => client.end());
      await new Promise<void>((resolve) => agent.listen(socket, resolve));
      chmodSync(socket, 0o666);
      const said = await assertBuilds(
        'ssh',
        [
          'RUN --mount=type=ssh --mount=type=ssh,id=other,target=/s,mode=0660,uid=7,gid=8,required \\',
          '  /bin/busybox stat -c "%n %F %a %u:%g" $SSH_AUTH_SOCK /s',
          'RUN ! test -e /run && ! test -e /s',
        ],
        ['--ssh', `default=${socket}`, '--ssh', `other=${socket}`],
      );
      assert.match(said, /\/run\/buildkit\/ssh_agent\.0 socket 600 0:0\n/);
      assert.match(said, /\/s socket 660 7:8\n/);
      agent.close();
      const missing = await build('ssh', ['RUN --mount=type=ssh,id=nobody,required true']);
      assert.match(missing.stderr, /Cannot mount ssh "nobody"[^]*hint: --ssh nobody=/);
    });

    const SHARING = [
      // Each waits for the other to be there.
      ['shared', 'touch /c/$ME; until test -e /c/1 -a -e /c/2; do /bin/busybox sleep 0.05; done'],
      // Each must be alone, one after the other.
      ['locked', 'test ! -e /c/busy; : > /c/busy; /bin/busybox sleep 0.3; /bin/busybox rm /c/busy'],
      // Each must be alone, at the same time.
      ['private', 'test ! -e /c/1 -a ! -e /c/2; : > /c/$ME; /bin/busybox sleep 1'],
    ] as const;
    for (const [sharing, command] of SHARING) {
      // What differs is in the store, whoever owns it.
      if (who !== 'root' && sharing !== 'locked') continue;
      test(`a ${sharing} cache is used by two builds`, async (t) => {
        if (!requires(t, ...NEEDS)) return;
        const mount = `--mount=type=cache,target=/c,sharing=${sharing}`;
        const script = `set -e; ${command}`.replace('touch', '/bin/busybox touch');
        const one = ['ARG ME', `RUN ${mount} ${script}`];
        // The second finds the base of the first, whichever makes it.
        const builds = [1, 2].map((me) => build(sharing, one, ['--build-arg', `ME=${me}`]));
        const results = await Promise.all(builds);
        assert.deepEqual(
          results.map(({ exitCode }) => exitCode),
          [0, 0],
          results.map(({ stderr }) => stderr).join('\n'),
        );
      });
    }

    test('kill -9 leaves no mount and no process, and the cache free', async (t) => {
      if (!requires(t, ...NEEDS)) return;
      const token = `7${Date.now()}${process.pid}`;
      const secret = join(dir, 'killed-token');
      writeFileSync(secret, SECRET);
      const mounts = [
        '--mount=target=/ctx --mount=type=tmpfs,target=/t --mount=type=secret,id=token',
        '--mount=type=cache,target=/c,sharing=locked --mount=target=/rw,rw',
      ];
      const lines = [`RUN ${mounts.join(' ')} : > /rw/x; /bin/busybox sleep ${token}`];
      const args = argsOf(lines, ['--secret', `id=token,src=${secret}`]);
      const running = startTsbuild(args, optionsOf('killed'));
      const sleeps = (): number | undefined =>
        findProcesses(token).find(({ command }) => command.startsWith('/bin/busybox sleep'))?.pid;
      await waitFor('the command of the RUN', sleeps);
      const main = findProcesses(running.child.pid === undefined ? token : rootOf('killed'));
      for (const { pid } of main) {
        try {
          process.kill(pid, 'SIGKILL');
        } catch {
          // It went with another one.
        }
      }
      await running.done;
      for (const what of [rootOf('killed'), token]) {
        await waitFor(
          `the end of ${what}`,
          () => (findProcesses(what).length + findMounts(what).length === 0 ? true : undefined),
          GONE_MS,
        );
      }
      const again = 'RUN --mount=type=cache,target=/c,sharing=locked true';
      await assertBuilds('killed', [again]);
      assert.deepEqual(readdirSync(join(rootOf('killed'), 'work')), []);
    });

    test('caches go to another machine, owners included, and are pruned', async (t) => {
      if (!requires(t, ...NEEDS)) return;
      const mount = 'RUN --mount=type=cache,id=npm,target=/c';
      const saved = join(dir, 'saved');
      const fill = `${mount} cd /c; echo kept > kept; /bin/busybox mkdir -m 700 sub; : > sub/f; \
/bin/busybox chown -R 7:8 sub kept; /bin/busybox ln -s /etc/passwd link`;
      await assertBuilds('first', [fill], ['--cache-mounts-export', saved]);
      const look = `${mount} /bin/busybox stat -c "%n %a %u:%g" /c/kept /c/sub /c/sub/f; \
/bin/busybox cat /c/kept; /bin/busybox readlink /c/link`;
      const said = await assertBuilds('second', [look], ['--cache-mounts-import', saved]);
      for (const line of ['/c/kept 644 7:8', '/c/sub 700 7:8', '/c/sub/f 644 7:8', 'kept']) {
        assert.ok(said.includes(`${line}\n`), `${line} is not in\n${said}`);
      }
      // The step is in the cache: what it named is exported all the same.
      await assertBuilds('second', [look], ['--cache-mounts-export', `type=oci,dest=${saved}`]);
      const { manifests } = JSON.parse(readFileSync(join(saved, 'index.json'), 'utf8')) as {
        manifests: { size: number }[];
      };
      assert.equal(manifests.length, 1);
      const pruned = await tsbuildOk(['prune', '--cache-mounts', '--all'], optionsOf('second'));
      assert.match(pruned, /^removed cache mount npm: /m);
      const remove = ['-rf', rootOf('second')];
      if (user === undefined) execFileSync('rm', remove);
      else execFileSync('runuser', ['-u', user, '--', 'rm', ...remove]);
      const other = await build('first', [fill], ['--cache-mounts-export', context]);
      assert.match(other.stderr, /Cannot export cache mounts to .*: found other files/);
    });

    test('a damaged cache is named, and nothing of it is left', async (t) => {
      if (!requires(t, ...NEEDS) || who !== 'root') return;
      const [mount, saved] = ['--mount=type=cache,id=x,target=/c', join(dir, 'damaged')];
      await assertBuilds('third', [`RUN ${mount} echo x > /c/x`], ['--cache-mounts-export', saved]);
      const blobs = join(saved, 'blobs/sha256');
      for (const name of readdirSync(blobs)) {
        const bytes = readFileSync(join(blobs, name));
        if (bytes[0] !== 0x1f) continue;
        bytes[bytes.length - 6] = 0xff ^ (bytes.at(-6) ?? 0);
        writeFileSync(join(blobs, name), bytes);
      }
      const args = ['--cache-mounts-import', saved];
      const result = await build('fourth', [`RUN ${mount} true`], args);
      assert.match(result.stderr, /error: Cannot import cache "x" of .*\n[^]*hint: Remove the dir/);
      await assertBuilds('fourth', [`RUN ${mount} ! test -e /c/x`]);
    });
  });
}
