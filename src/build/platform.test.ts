import assert from 'node:assert/strict';
import test from 'node:test';
import { digestOf } from '../oci/digest.js';
import { ociIndex } from '../oci/image-index.js';
import { encodeJson } from '../oci/json.js';
import { MEDIA_TYPE } from '../oci/media-types.js';
import { formatPlatform, hostPlatform, shortPlatform } from '../oci/platform.js';
import { parseReference } from '../oci/reference.js';
import { RegistryClient } from '../registry/client.js';
import { TestBuilds } from '../testing/builds.js';
import { TestRegistry } from '../testing/registry.js';
import { choosePlatform, platformArgs } from './platform-args.js';
import { RunFailedError } from './run-failed.js';

const HOST = formatPlatform(shortPlatform(hostPlatform()));
const S390X = { os: 'linux', architecture: 's390x' };

test('an image is built for another platform', async (t) => {
  const builds = await TestBuilds.create(t);
  const text = `FROM scratch
ARG TARGETPLATFORM TARGETARCH TARGETVARIANT BUILDPLATFORM
LABEL for=$TARGETPLATFORM,$TARGETARCH,$TARGETVARIANT on=$BUILDPLATFORM
`;
  for (const [platform, want] of [
    ['arm64', 'linux/arm64,arm64,'],
    ['linux/arm/v7', 'linux/arm/v7,arm,v7'],
  ] as const) {
    await builds.build(text, { platform });
    const { config } = await builds.image();
    assert.deepEqual(config.config?.Labels, { for: want, on: HOST });
    assert.equal(config.architecture, want.split(',')[1]);
    assert.equal(config.variant ?? '', want.split(',')[2]);
  }
});

/** Pushes an index of images that say what they are for, with a registry and its client. */
async function withIndex(
  t: test.TestContext,
  use: (base: string, deps: Parameters<TestBuilds['build']>[2]) => Promise<void>,
): Promise<void> {
  await using registry = await TestRegistry.start();
  await using client = new RegistryClient({
    insecureRegistries: [registry.host],
    userAgent: 'test',
  });
  const deps = { registry: () => Promise.resolve(client) };
  const builds = await TestBuilds.create(t);
  const manifests = [];
  for (const platform of [HOST, 'linux/s390x']) {
    const tag = `${registry.host}/base:${platform.replaceAll('/', '-')}`;
    builds.files({ arch: platform });
    await builds.build('FROM scratch\nCOPY arch /\n', { platform, tags: [tag], push: true }, deps);
    const stored = registry.manifests.get(tag.slice(registry.host.length + 1));
    assert.ok(stored !== undefined);
    const [os = '', architecture = ''] = platform.split('/');
    const { bytes, mediaType } = stored;
    const described = { mediaType, digest: digestOf(bytes), size: bytes.length };
    manifests.push({ ...described, platform: { os, architecture } });
  }
  const index = { bytes: encodeJson(ociIndex(manifests)), mediaType: MEDIA_TYPE.ociIndex };
  registry.manifests.set('base:1', index);
  registry.manifests.set(`base@${digestOf(index.bytes)}`, index);
  await use(`${registry.host}/base:1`, deps);
}

test('FROM takes the image of the platform; the store keeps one of each', async (t) => {
  await withIndex(t, async (base, deps) => {
    const builds = await TestBuilds.create(t);
    const pull = 'missing';
    const text = `FROM --platform=$BUILDPLATFORM ${base} AS tool
FROM ${base}
COPY --from=tool /arch /tool
COPY --from=${base} /arch /copied
`;
    const tree = (target: string): string[] => [
      `/arch 644 0:0 "${target}"`,
      `/copied 644 0:0 "${target}"`,
      `/tool 644 0:0 "${HOST}"`,
    ];
    await builds.build(text, { pull }, deps);
    assert.deepEqual(await builds.tree(), tree(HOST));
    await builds.build(text, { pull, platform: 'linux/s390x' }, deps);
    assert.deepEqual(await builds.tree(), tree('linux/s390x'));
    assert.equal((await builds.image()).config.architecture, 's390x');

    const { images } = builds.store;
    const reference = parseReference(base);
    assert.equal(formatPlatform(shortPlatform(images.get(reference)?.platform ?? S390X)), HOST);
    assert.deepEqual(images.get(reference, S390X)?.platform, S390X);
    await builds.build(text, { pull: 'never', platform: 'linux/s390x' });
    assert.equal(images.remove(reference), true);
    assert.equal(images.get(reference, S390X), undefined);
  });
});

const REFUSED: readonly (readonly [string, string, RegExp])[] = [
  ['windows/amd64', 'TSB_UNSUPPORTED', /want a linux platform/],
  ['linux/amd64,linux/arm64', 'TSB_UNSUPPORTED', /want one platform/],
  ['linux//', 'TSB_USAGE', /want os\/architecture/],
];
for (const [platform, code, message] of REFUSED) {
  test(`--platform ${platform} is refused`, () => {
    assert.throws(() => choosePlatform(platform, hostPlatform()), { code, message });
  });
}

test('platformArgs() has the variant only where there are several', () => {
  const [build, target] = [S390X, { os: 'linux', architecture: 'arm64', variant: 'v8' }];
  const args = platformArgs({ build, target }, undefined);
  assert.equal(args['TARGETPLATFORM'], 'linux/arm64');
  assert.equal(args['TARGETVARIANT'], '');
  assert.equal(args['BUILDPLATFORM'], 'linux/s390x');
});

const TAILS: readonly (readonly [string, typeof S390X, RegExp | undefined])[] = [
  ['tsbuild: cannot start "/bin/sh": exec format error', S390X, /linux\/s390x.*qemu-user-static/],
  ['/x: Exec format error', S390X, /install an emulator/],
  ['cannot start "/bin/sh": its interpreter was not found', S390X, /with the flag F/],
  ['make: error', S390X, undefined],
  ['exec format error', hostPlatform(), undefined],
];
for (const [tail, platform, want] of TAILS) {
  test(`a RUN for ${platform.architecture} that ends with "${tail}"`, () => {
    const { hint } = new RunFailedError({
      instruction: {
        kind: 'run',
        command: { form: 'shell', command: 'x' },
        mounts: [],
        devices: [],
        original: 'RUN x',
        source: { file: 'f', startLine: 1, endLine: 1 },
      },
      result: { exitCode: 126, signal: undefined },
      tail,
      image: { ...platform, rootfs: { type: 'layers', diff_ids: [] } },
    });
    if (want === undefined) assert.equal(hint, undefined);
    else assert.match(hint ?? '', want);
  });
}
