import assert from 'node:assert/strict';
import test from 'node:test';
import type { ContainerConfig } from '../oci/config.js';
import { TestBuilds } from '../testing/builds.js';

const PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

const CONFIGS: readonly (readonly [name: string, text: string, want: ContainerConfig])[] = [
  ['nothing', '', { Env: [PATH], WorkingDir: '/' }],
  [
    'ENV, with variables of before',
    'ENV A=1 B=2\nENV A=3 C=$A',
    { Env: [PATH, 'A=3', 'B=2', 'C=1'], WorkingDir: '/' },
  ],
  ['ARG, which stays out', 'ARG A=1\nENV B=$A', { Env: [PATH, 'B=1'], WorkingDir: '/' }],
  [
    'CMD and ENTRYPOINT',
    'CMD a "b"\nENTRYPOINT ["e"]',
    {
      Env: [PATH],
      WorkingDir: '/',
      Cmd: ['/bin/sh', '-c', 'a "b"'],
      ArgsEscaped: true,
      Entrypoint: ['e'],
    },
  ],
  [
    'SHELL before CMD',
    'SHELL ["/bin/bash", "-c"]\nCMD x',
    {
      Env: [PATH],
      WorkingDir: '/',
      Shell: ['/bin/bash', '-c'],
      Cmd: ['/bin/bash', '-c', 'x'],
      ArgsEscaped: true,
    },
  ],
  [
    'the rest',
    'LABEL a=1 b=2\nEXPOSE 80 53/udp\nVOLUME /v\nUSER 1:2\nSTOPSIGNAL SIGINT\nHEALTHCHECK --retries=3 CMD true',
    {
      Env: [PATH],
      WorkingDir: '/',
      Labels: { a: '1', b: '2' },
      User: '1:2',
      ExposedPorts: { '53/udp': {}, '80/tcp': {} },
      Volumes: { '/v': {} },
      StopSignal: 'SIGINT',
      Healthcheck: { Test: ['CMD-SHELL', 'true'], Retries: 3 },
    },
  ],
];
for (const [name, text, want] of CONFIGS) {
  test(`the config of ${name}`, async (t) => {
    const builds = await TestBuilds.create(t);
    await builds.build(`FROM scratch\n${text}\n`);
    assert.deepEqual((await builds.image()).config.config, want);
  });
}

test('ENTRYPOINT drops the CMD of the base, not one of its own stage', async (t) => {
  const builds = await TestBuilds.create(t);
  await builds.build('FROM scratch AS b\nCMD ["old"]\nFROM b\nENTRYPOINT ["e"]\n');
  assert.equal((await builds.image()).config.config?.Cmd, undefined);
  await builds.build('FROM scratch AS b\nCMD ["old"]\nFROM b\nCMD ["own"]\nENTRYPOINT ["e"]\n');
  assert.deepEqual((await builds.image()).config.config?.Cmd, ['own']);
});

test('ONBUILD waits for the image that is built on top, once', async (t) => {
  const builds = await TestBuilds.create(t);
  builds.files({ f: 'f' });
  await builds.build('FROM scratch\nONBUILD COPY f /f\nONBUILD ENV A=1\n', { tags: ['base'] });
  await builds.build('FROM base\nLABEL x=$A\n');
  const { config } = await builds.image();
  assert.deepEqual(await builds.tree(), ['/f 644 0:0 "f"']);
  assert.equal(config.config?.Labels?.['x'], '1');
  assert.equal(config.config.OnBuild, undefined);
});

test('the history goes on where the base ended, one entry for each instruction', async (t) => {
  const builds = await TestBuilds.create(t);
  builds.files({ f: 'f' });
  await builds.build('FROM scratch\nCOPY f /f\n', { tags: ['base'] });
  await builds.build('ARG V=1\nFROM base\nARG V\nWORKDIR /w\nCMD ["a", "b"]\nCOPY --chown=1 f .\n');
  const { config, manifest } = await builds.image();
  assert.deepEqual(
    config.history?.map(({ created_by, empty_layer }) => [created_by, empty_layer === true]),
    [
      ['COPY f /f # tsbuild', false],
      ['ARG V=1', true],
      ['WORKDIR /w', false],
      ['CMD ["a" "b"]', true],
      ['COPY --chown=1 f . # tsbuild', false],
    ],
  );
  assert.equal(manifest.layers.length, 3);
  assert.equal(config.rootfs.diff_ids.length, 3);
});

test('labels of the command line beat those of the Buildfile', async (t) => {
  const builds = await TestBuilds.create(t);
  await builds.build('FROM scratch\nLABEL a=1 b=1\n', { labels: { a: '2' } });
  assert.deepEqual((await builds.image()).config.config?.Labels, { a: '2', b: '1' });
});

test('a build argument that nobody declares is warned of', async (t) => {
  const builds = await TestBuilds.create(t);
  const buildArgs = { USED: '1', UNUSED: '2', http_proxy: 'p' };
  await builds.build('FROM scratch\nARG USED\n', { buildArgs });
  const warnings = builds.events.flatMap((event) =>
    event.kind === 'warning' ? [event.warning.message] : [],
  );
  assert.deepEqual(warnings, ['Build argument "UNUSED" is not used']);
});

const REFUSED: readonly (readonly [name: string, text: string, code: string])[] = [
  ['an image that is not there', 'FROM nowhere', 'TSB_IMAGE_NOT_FOUND'],
  ['a platform that is none', 'FROM --platform=linux// nowhere', 'TSB_USAGE'],
  ['a signal that is none', 'FROM scratch\nSTOPSIGNAL SIGFOO', 'TSB_BUILD'],
];
for (const [name, text, code] of REFUSED) {
  test(`a build refuses ${name}, with its position`, async (t) => {
    const builds = await TestBuilds.create(t);
    await assert.rejects(builds.build(text), (error: Error & { code?: string; source?: unknown }) =>
      Boolean(error.code === code && error.source),
    );
  });
}
