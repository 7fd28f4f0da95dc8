import assert from 'node:assert/strict';
import test from 'node:test';
import { encodeConfig } from '../oci/config.js';
import { describeBytes } from '../oci/descriptor.js';
import { editContainer } from '../oci/edit-config.js';
import { encodeJson } from '../oci/json.js';
import { MEDIA_TYPE } from '../oci/media-types.js';
import { parseReference } from '../oci/reference.js';
import { TestBuilds } from '../testing/builds.js';
import { healthcheckHistory } from './healthcheck.js';
import type { Annotation } from './options.js';
import { DEFAULT_PATH } from './scope.js';

const EPOCHS: readonly (readonly [
  name: string,
  text: string,
  options: Parameters<TestBuilds['build']>[1],
  want: string,
])[] = [
  ['an ARG before FROM', 'ARG SOURCE_DATE_EPOCH=1', {}, '1970-01-01T00:00:01Z'],
  [
    '--build-arg over it',
    'ARG SOURCE_DATE_EPOCH=1',
    { buildArgs: { SOURCE_DATE_EPOCH: '2' } },
    '1970-01-01T00:00:02Z',
  ],
  [
    'the environment over it',
    'ARG SOURCE_DATE_EPOCH=1',
    { sourceDateEpoch: 3 },
    '1970-01-01T00:00:03Z',
  ],
];
for (const [name, text, options, want] of EPOCHS) {
  test(`the time of the image is that of ${name}`, async (t) => {
    const builds = await TestBuilds.create(t);
    await builds.build(
      `${text}\nFROM scratch\nARG SOURCE_DATE_EPOCH\nLABEL e=$SOURCE_DATE_EPOCH\n`,
      options,
    );
    const { config } = await builds.image();
    assert.equal(config.created, want);
    assert.equal(config.config?.Labels?.['e'], String(Date.parse(want) / 1000));
  });
}

test('a time that is none is refused', async (t) => {
  const builds = await TestBuilds.create(t);
  const building = builds.build('ARG SOURCE_DATE_EPOCH=context\nFROM scratch\n');
  await assert.rejects(building, { code: 'TSB_USAGE', message: /want seconds since 1970/ });
});

test('annotations go to the manifest and to its descriptor, for its platform', async (t) => {
  const builds = await TestBuilds.create(t);
  const annotations: Annotation[] = [
    { target: 'manifest', key: 'a', value: '1' },
    { target: 'manifest', key: 'other', value: '2', platform: 'linux/s390x' },
    { target: 'manifest-descriptor', key: 'd', value: '3' },
  ];
  await builds.build('FROM scratch\n', { annotations });
  const { manifest, record } = await builds.image();
  assert.deepEqual(manifest.annotations, { a: '1' });
  assert.deepEqual(record.manifest.annotations, { d: '3' });
  await builds.build('FROM scratch\n');
  assert.equal((await builds.image()).manifest.annotations, undefined);
});

test('an image without a PATH gets one', async (t) => {
  const builds = await TestBuilds.create(t);
  await builds.build('FROM scratch\nENV A=1\n');
  const { config, manifest, record } = await builds.image();
  const configBytes = encodeConfig(editContainer(config, { Env: ['A=1'] }));
  const edited = { ...manifest, config: describeBytes(MEDIA_TYPE.ociConfig, configBytes) };
  const manifestBytes = encodeJson(edited);
  const descriptor = describeBytes(MEDIA_TYPE.ociManifest, manifestBytes);
  for (const bytes of [configBytes, manifestBytes]) await builds.store.blobs.writeBytes(bytes);
  builds.store.images.put(parseReference('bare'), { ...record, manifest: descriptor });
  await builds.build('FROM bare\nENV A=2\n');
  assert.deepEqual((await builds.image()).config.config?.Env, ['A=2', `PATH=${DEFAULT_PATH}`]);
});

const CHECKS: readonly (readonly [Parameters<typeof healthcheckHistory>[0], string])[] = [
  [
    { Test: ['NONE'] },
    'HEALTHCHECK {Test:[NONE] Interval:0s Timeout:0s StartPeriod:0s StartInterval:0s Retries:0}',
  ],
  [
    {
      Test: ['CMD', 'a', 'b c'],
      Interval: 3_723_500_000_000,
      Timeout: 90_000_000_000,
      StartPeriod: 250_000_000,
      StartInterval: 1500,
      Retries: 3,
    },
    'HEALTHCHECK {Test:[CMD a b c] Interval:1h2m3.5s Timeout:1m30s StartPeriod:250ms StartInterval:1.5µs Retries:3}',
  ],
];
for (const [check, want] of CHECKS) {
  test(`healthcheckHistory() writes ${want}`, () => assert.equal(healthcheckHistory(check), want));
}
