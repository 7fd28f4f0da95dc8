import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { requires } from '../src/testing/requires.js';
import { tsbuild, tsbuildOk } from '../src/testing/tsbuild.js';

/** The language, carried out: what RUN sees of the instructions before it. */
const NEEDS = ['root', 'fuse', 'program:busybox'] as const;
const HEAD = `FROM scratch AS base
COPY busybox /bin/busybox
COPY passwd group /etc/
RUN ["/bin/busybox", "--install", "-s", "/bin"]
`;

interface Metadata {
  readonly steps: readonly { readonly name: string; readonly cached: boolean }[];
}

describe('a build of busybox', () => {
  const dir = mkdtempSync(join(tmpdir(), 'tsbuild-e2e-build-'));
  const root = join(dir, 'store');
  const context = join(dir, 'context');
  const metadataFile = join(dir, 'metadata.json');

  before(() => {
    mkdirSync(context);
    copyFileSync('/bin/busybox', join(context, 'busybox'));
    writeFileSync(join(context, 'file'), 'context\n');
    writeFileSync(
      join(context, 'passwd'),
      'root:x:0:0::/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\n',
    );
    writeFileSync(join(context, 'group'), 'root:x:0:\napp:x:1001:\naudio:x:29:app\n');
  });
  after(() => rmSync(dir, { recursive: true, force: true }));

  const build = (text: string, ...args: string[]): Promise<string> =>
    tsbuildOk(
      ['build', '-f', '-', '-t', 'e2e', '--metadata-file', metadataFile, ...args, context],
      { root, input: HEAD + text },
    );
  const run = (...argv: string[]): Promise<string> => tsbuildOk(['run', 'e2e', ...argv], { root });
  const metadata = (): Metadata => JSON.parse(readFileSync(metadataFile, 'utf8')) as Metadata;

  /** Each RUN writes what it sees to /seen. */
  const SEEN: readonly (readonly [name: string, text: string, want: string, args?: string[]])[] = [
    ['ENV and ARG', 'ARG A=1\nENV B=2$A\nRUN echo $A $B > /seen', '1 21\n'],
    ['--build-arg', 'ARG A\nRUN echo $A > /seen', 'x y\n', ['--build-arg', 'A=x y']],
    ['a proxy argument', 'RUN echo $http_proxy > /seen', 'p\n', ['--build-arg', 'http_proxy=p']],
    ['no argument undeclared', 'RUN echo ".$A" > /seen', '.\n', ['--build-arg', 'A=x']],
    ['WORKDIR', 'WORKDIR /a\nWORKDIR b\nRUN pwd > /seen', '/a/b\n'],
    [
      'USER by name, with its groups and HOME',
      'RUN touch /seen; chown app /seen\nUSER app\nRUN echo $(id -u) $(id -G) $HOME > /seen',
      '1000 1001 29 /home/app\n',
    ],
    ['SHELL', 'SHELL ["/bin/busybox", "sh", "-c"]\nRUN echo $0 > /seen', 'sh\n'],
    ['a heredoc', 'RUN <<E\necho one > /seen\necho two >> /seen\nE', 'one\ntwo\n'],
    ['a heredoc with #!', 'RUN <<E\n#!/bin/sh -f\necho $- > /seen\nE', 'f\n'],
    [
      'COPY',
      'COPY --chown=app:29 --chmod=640 file /f\nRUN stat -c "%a %u %g" /f > /seen',
      '640 1000 29\n',
    ],
    ['--network=none', 'RUN --network=none ls /sys/class/net | grep -v lo > /seen || true', ''],
    [
      'the default umask, stdin and PATH',
      'RUN umask > /seen; cat >> /seen; which ls >> /seen',
      '0022\n/bin/ls\n',
    ],
    [
      'a stage that another copies from',
      'RUN mkdir /o && echo o > /o/a && ln /o/a /o/b\nFROM base\nCOPY --from=0 /o /o\nRUN stat -c %h /o/a > /seen',
      '2\n',
    ],
  ];
  for (const [name, text, want, args = []] of SEEN) {
    test(`RUN sees ${name}`, async (t) => {
      if (!requires(t, ...NEEDS)) return;
      await build(`${text}\n`, ...args);
      assert.equal(await run('cat', '/seen'), want);
    });
  }

  test('is not run again when nothing has changed, and takes well under a second', async (t) => {
    if (!requires(t, ...NEEDS)) return;
    const text = 'COPY file /f\nRUN cat /f > /g\nWORKDIR /w\n';
    await build(text);
    const iidfile = join(dir, 'iid');
    await build(text, '--iidfile', iidfile);
    const first = readFileSync(iidfile, 'utf8');
    await build(text, '--iidfile', iidfile);
    assert.equal(readFileSync(iidfile, 'utf8'), first);
    assert.deepEqual(
      metadata().steps.filter(({ cached }) => !cached),
      [],
    );
    writeFileSync(join(context, 'file'), 'changed\n');
    await build(text);
    assert.deepEqual(
      metadata().steps.map(({ cached }) => cached),
      [true, true, true, false, false, false],
    );
  });

  test('gives the same digest twice with SOURCE_DATE_EPOCH', async (t) => {
    if (!requires(t, ...NEEDS)) return;
    const digests: string[] = [];
    for (const store of ['one', 'two']) {
      const iidfile = join(dir, `iid-${store}`);
      const args = ['--iidfile', iidfile, '--progress', 'plain', context];
      await tsbuildOk(['build', '-f', '-', ...args], {
        root: join(dir, store),
        env: { SOURCE_DATE_EPOCH: '1600000000' },
        input: `${HEAD}RUN --network=none mkdir /d; echo x > /d/x; ln /d/x /d/y; rm /bin/vi\n`,
      });
      digests.push(readFileSync(iidfile, 'utf8'));
    }
    assert.equal(digests[0], digests[1]);
  });

  test('leaves no stubs of mount points in a layer', async (t) => {
    if (!requires(t, ...NEEDS)) return;
    await build('RUN touch /made\n', '-o', `type=local,dest=${join(dir, 'out')}`);
    assert.deepEqual(readdirSync(join(dir, 'out')).sort(), ['bin', 'etc', 'made']);
    assert.deepEqual(readdirSync(join(dir, 'out/etc')).sort(), ['group', 'passwd']);
  });

  test('names the stage in which the source of a COPY is missing', async (t) => {
    if (!requires(t, ...NEEDS)) return;
    const stages = `${HEAD}FROM scratch\nCOPY --from=base /none /\n`;
    const { exitCode, stderr } = await tsbuild(['build', '-f', '-', context], {
      root,
      input: stages,
    });
    assert.equal(exitCode, 1);
    assert.match(stderr, /Cannot copy "\/none": not found in stage "base"/);
  });

  test('fails with the status of the command', async (t) => {
    if (!requires(t, ...NEEDS)) return;
    const result = await tsbuild(['build', '-f', '-', context], {
      root,
      input: `${HEAD}RUN echo last words; exit 42\n`,
    });
    assert.equal(result.exitCode, 42);
    assert.match(result.stderr, /last words/);
    assert.match(result.stderr, /standard input:5/);
  });
});
