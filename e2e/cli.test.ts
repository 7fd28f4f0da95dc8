import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { after, before, describe, test } from 'node:test';
import { requires } from '../src/testing/requires.js';
import { startTsbuild, tsbuild, tsbuildOk, TSBUILD_MAIN } from '../src/testing/tsbuild.js';

const NEEDS = ['fuse', 'program:busybox'] as const;
/** A fork of a busy machine may take a while; the figure that counts is in docs/benchmarks.md. */
const VERSION_MS_MAX = 1000;

const BUILDFILE = `FROM scratch
COPY busybox /bin/busybox
RUN ["/bin/busybox", "--install", "-s", "/bin"]
RUN echo hello > /greeting
ENV GREETING=hello
USER 1000:1000
WORKDIR /tmp
CMD ["cat", "/greeting"]
`;

type Json = Record<string, unknown>;

describe('the command line', () => {
  const dir = mkdtempSync(join(tmpdir(), 'tsbuild-cli-'));
  const context = join(dir, 'context');
  const options = { root: join(dir, 'store') };
  const run = (...args: string[]): ReturnType<typeof tsbuild> => tsbuild(args, options);
  const ok = (...args: string[]): Promise<string> => tsbuildOk(args, options);

  before(() => {
    mkdirSync(context);
    copyFileSync('/bin/busybox', join(context, 'busybox'));
    writeFileSync(join(context, 'Buildfile'), BUILDFILE);
  });
  after(() => {
    rmSync(dir, { recursive: true, force: true });
  });

  test('--version is printed quickly', () => {
    const startMs = performance.now();
    const { stdout } = spawnSync(process.execPath, [TSBUILD_MAIN, '--version'], {
      encoding: 'utf8',
    });
    assert.match(stdout, /^\d+\.\d+\.\d+\n$/);
    assert.ok(performance.now() - startMs < VERSION_MS_MAX);
  });

  test('--help lists every command, and each has a help of its own', async () => {
    const help = await ok('--help');
    const names = [...help.matchAll(/^ {2}tsbuild ([a-z]+)/gm)].map(([, name]) => name ?? '');
    assert.ok(names.length >= 15, help);
    for (const name of names) assert.match(await ok(name, '--help'), new RegExp(`tsbuild ${name}`));
  });

  const WRONG: [string[], RegExp][] = [
    [['bild', '.'], /did you mean build\?/],
    [['build', '--tga', 'x', '.'], /did you mean --tag\?/],
    [['build'], /CONTEXT is missing/],
    [['build', '--network', 'moon', '.'], /moon/],
    [['build', '-o', 'type=zip,dest=x', '.'], /type zip/],
    [['prune', '--keep-age', 'long'], /want 30m, 12h or 7d/],
    [['completion', 'tcsh'], /want bash, zsh, fish/],
    [[], /Commands:/],
  ];
  for (const [args, message] of WRONG) {
    test(`'${args.join(' ')}' is refused with exit code 2`, async () => {
      const { exitCode, stderr } = await run(...args);
      assert.match(stderr, message);
      assert.equal(exitCode, 2);
    });
  }

  test('a context or Buildfile that is not there exits with 1', async () => {
    assert.equal((await run('build', join(dir, 'gone'))).exitCode, 1);
    assert.equal((await run('build', options.root)).exitCode, 1);
    const other = await run('build', '-f', join(dir, 'gone'), context);
    assert.match(other.stderr, /Cannot read .*it does not exist/);
  });

  test('completion offers commands, flags and choices in bash', async (t) => {
    if (!requires(t, 'program:bash')) return;
    writeFileSync(
      join(dir, 'tsbuild'),
      `#!/bin/sh\nexec ${process.execPath} ${TSBUILD_MAIN} "$@"`,
      {
        mode: 0o755,
      },
    );
    writeFileSync(join(dir, 'completion.bash'), await ok('completion', 'bash'));
    const complete = (...words: string[]): string[] => {
      const script = `source completion.bash; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _tsbuild
        printf '%s\\n' "\${COMPREPLY[@]}"`;
      const env = { ...process.env, PATH: `${dir}:${process.env['PATH'] ?? ''}` };
      const args = ['-c', script, 'bash', ...words];
      return execFileSync('bash', args, { cwd: dir, env, encoding: 'utf8' }).trim().split('\n');
    };
    assert.deepEqual(complete('tsbuild', 'bu'), ['build']);
    assert.deepEqual(complete('tsbuild', 'build', '--no'), ['--no-cache', '--no-cache-filter']);
    assert.deepEqual(complete('tsbuild', 'build', '--network', ''), ['default', 'host', 'none']);
  });

  test('doctor tells what the machine has, for people and programs', async () => {
    const table = await run('doctor');
    assert.match(table.stdout, /^(?:ok|warning|missing) +Node /m);
    const { stdout } = await run('doctor', '--json');
    const report = JSON.parse(stdout) as { doctorVersion: number; findings: Json[] };
    assert.equal(report.doctorVersion, 1);
    assert.ok(report.findings.every(({ status }) => typeof status === 'string'));
  });

  test('build writes the digest, the metadata and plain progress', async (t) => {
    if (!requires(t, ...NEEDS)) return;
    const [iidfile, metadata] = [join(dir, 'iid'), join(dir, 'metadata.json')];
    const files = ['--iidfile', iidfile, '--metadata-file', metadata];
    const { exitCode, stdout, stderr } = await run('build', '-t', 'app', ...files, context);
    assert.equal(exitCode, 0, stderr);
    assert.equal(stdout, '');
    assert.match(stderr, /^#\d+ \[4\/5\] RUN echo hello > \/greeting$/m);
    assert.match(stderr, /^#\d+ DONE \d+\.\ds$/m);
    const report = JSON.parse(readFileSync(metadata, 'utf8')) as Json;
    assert.equal(report['metadataVersion'], 1);
    assert.equal(report['image.name'], 'docker.io/library/app:latest');
    assert.equal(report['containerimage.digest'], readFileSync(iidfile, 'utf8'));
  });

  test('build --quiet prints the digest alone, the same one from the cache', async (t) => {
    if (!requires(t, ...NEEDS)) return;
    const first = await run('build', '-q', '-t', 'app', context);
    const second = await run('build', '-q', '-t', 'app', context);
    assert.match(first.stdout, /^sha256:[0-9a-f]{64}\n$/);
    assert.equal(second.stdout, first.stdout);
    assert.equal(second.stderr, '');
  });

  test('build --progress json writes versioned events to standard output', async (t) => {
    if (!requires(t, ...NEEDS)) return;
    const { stdout, stderr } = await run('build', '--progress', 'json', '-t', 'app', context);
    assert.equal(stderr, '');
    const events = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Json);
    assert.ok(events.every((event) => event['progressVersion'] === 1));
    assert.equal(events[0]?.['kind'], 'build-started');
    assert.equal(events.at(-1)?.['kind'], 'build-completed');
  });

  test('a Buildfile from standard input is shown when it fails, and RUN gives the exit code', async (t) => {
    if (!requires(t, ...NEEDS)) return;
    const input = `${BUILDFILE}RUN exit 42\n`;
    const build = startTsbuild(['build', '-f', '-', context], { ...options, input });
    const { exitCode, stderr } = await build.done;
    assert.equal(exitCode, 42);
    assert.match(stderr, /^standard input:9$/m);
    assert.match(stderr, /^ *9 \| >>> RUN exit 42$/m);
  });

  test('a tree that no layer can hold is told in one message', async (t) => {
    if (!requires(t, ...NEEDS)) return;
    const deepen = 'i=0; while [ $i -le 1000 ]; do mkdir d && cd d; i=$((i+1)); done';
    const input = `${BUILDFILE}RUN ${deepen}\n`;
    const build = startTsbuild(['build', '-q', '-f', '-', context], { ...options, input });
    const { exitCode, stderr } = await build.done;
    assert.equal(exitCode, 1);
    assert.match(stderr, /^error: Cannot write layer: directories are nested deeper than 1000\n/);
  });

  test('images, tag, inspect and rmi agree', async (t) => {
    if (!requires(t, ...NEEDS)) return;
    const digest = (await ok('build', '-q', '-t', 'app', context)).trim();
    await ok('tag', 'app', 'other:1');
    assert.deepEqual((await ok('images', '-q')).trim().split('\n'), ['app:latest', 'other:1']);
    const listed = JSON.parse(await ok('images', '--json')) as Json[];
    assert.ok(listed.every((row) => row['digest'] === digest));
    const report = JSON.parse(await ok('inspect', 'other:1')) as Json;
    assert.deepEqual(report['references'], ['app:latest', 'other:1']);
    assert.match((await run('inspect', 'othr:1')).stderr, /did you mean other:1\?/);
    const [, shown = ''] = /^other:1 +([0-9a-f]{12}) /m.exec(await ok('images')) ?? [];
    assert.deepEqual(
      JSON.parse(await ok('inspect', shown)),
      JSON.parse(await ok('inspect', 'app')),
    );
    assert.equal((await run('inspect', 'abcdef012345')).exitCode, 1);
    await ok('rmi', 'other:1');
    assert.equal((await run('rmi', 'app', 'other:1')).exitCode, 1);
    assert.deepEqual((await ok('images', '-q')).trim().split('\n'), ['app:latest']);
  });

  test('a damaged image hides no other, and can be removed', async (t) => {
    if (!requires(t, ...NEEDS)) return;
    await ok('build', '-q', '-t', 'app', context);
    const digest = (await ok('build', '-q', '-t', 'broken', '--label', 'a=b', context)).trim();
    rmSync(join(options.root, 'blobs', digest.replace(':', '/')));
    const { stdout, stderr, exitCode } = await run('images');
    assert.equal(exitCode, 0);
    assert.match(stdout, /^app:latest /m);
    assert.match(stderr, /^warning: damaged image broken:latest: /m);
    await ok('rmi', 'broken');
    assert.equal((await run('images')).stderr, '');
  });

  test('run uses the command, user and environment of the image, and throws changes away', async (t) => {
    if (!requires(t, ...NEEDS)) return;
    await ok('build', '-q', '-t', 'app', context);
    assert.equal(await ok('run', 'app'), 'hello\n');
    assert.equal(await ok('run', 'app', 'sh', '-c', 'echo $GREETING; id -u'), 'hello\n1000\n');
    assert.equal(
      await ok('run', '-e', 'A=1', '-u', '0', 'app', 'sh', '-c', 'echo $A >/x; id -u'),
      '0\n',
    );
    const gone = await run('run', 'app', 'cat', '/x');
    assert.match(gone.stderr, /\/x/);
    assert.equal(gone.exitCode, 1);
    assert.equal((await run('run', 'app', 'sh', '-c', 'exit 7')).exitCode, 7);
    assert.equal((await run('run', 'app', 'no-such-program')).exitCode, 127);
  });

  test('mount shows the files of an image to a command', async (t) => {
    if (!requires(t, ...NEEDS)) return;
    await ok('build', '-q', '-t', 'app', context);
    assert.equal(await ok('mount', 'app', '--', 'cat', 'greeting'), 'hello\n');
    const { exitCode, stderr } = await run('mount', 'app', '--', 'touch', 'x');
    assert.match(stderr, /Read-only/);
    assert.equal(exitCode, 1);
  });

  test('run and mount serve the files by libfuse where they are told to', async (t) => {
    if (!requires(t, ...NEEDS, 'package:fuse-native', 'library:libfuse.so.2')) return;
    await ok('build', '-q', '-t', 'app', context);
    const channel = ['--fuse-channel', 'libfuse'];
    // Libfuse hides an open file that is removed under another name.
    const script = 'cat /greeting; exec 3>/open; rm /open; ls -A / | grep -c fuse_hidden';
    const asRoot = ['-u', '0', 'app', 'sh', '-c', script];
    assert.equal(await ok('run', ...channel, ...asRoot), 'hello\n1\n');
    assert.equal((await run('run', '--fuse-channel', 'device', ...asRoot)).stdout, 'hello\n0\n');
    assert.equal(await ok('mount', ...channel, 'app', '--', 'cat', 'greeting'), 'hello\n');
    assert.equal((await run('run', '--fuse-channel', 'x', 'app')).exitCode, 2);
  });

  test('unpack writes the files of an image', async (t) => {
    if (!requires(t, ...NEEDS)) return;
    await ok('build', '-q', '-t', 'app', context);
    await ok('unpack', 'app', join(dir, 'unpacked'));
    assert.equal(readFileSync(join(dir, 'unpacked/greeting'), 'utf8'), 'hello\n');
    assert.equal((await run('unpack', 'app', join(dir, 'unpacked'))).exitCode, 1);
  });

  test('prune frees what no image uses', async (t) => {
    if (!requires(t, ...NEEDS)) return;
    await ok('build', '-q', '-t', 'app', context);
    await ok('rmi', 'app');
    const dry = await ok('prune', '--all', '--dry-run');
    assert.match(dry, /^would remove [1-9]\d* layers/);
    assert.equal(await ok('prune', '--all'), dry.replace('would remove', 'removed'));
    assert.match(await ok('prune', '--all'), /^removed 0 layers, 0 blobs, 0 cache records: 0 B/);
  });
});
