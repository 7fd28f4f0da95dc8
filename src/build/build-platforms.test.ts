import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { parseReference } from '../oci/reference.js';
import { formatPlatform } from '../oci/platform.js';
import { parseOutputSpec } from '../output/output-spec.js';
import { RegistryClient } from '../registry/client.js';
import { TestBuilds } from '../testing/builds.js';
import { TestRegistry } from '../testing/registry.js';
import { buildPlatforms } from './build-platforms.js';
import type { BuildDeps, BuildOptions, BuildResult } from './options.js';

const TEXT = `FROM scratch
ARG TARGETARCH
LABEL arch=$TARGETARCH
COPY f /
`;
const platform = 'linux/s390x,linux/riscv64';

async function buildBoth(
  builds: TestBuilds,
  options: Partial<BuildOptions> = {},
  deps: Partial<BuildDeps> = {},
): Promise<BuildResult> {
  builds.files({ f: 'f' });
  return await buildPlatforms(
    {
      ...{ context: builds.context, buildfile: { text: TEXT, path: undefined }, tags: ['both'] },
      ...{ buildArgs: {}, labels: {}, outputs: [], push: false, noCache: false, pull: 'never' },
      ...{ network: 'host', platform, sourceDateEpoch: 1 },
      ...options,
    },
    {
      store: builds.store,
      registry: () => Promise.reject(new Error('this test has no registry')),
      emit: (event) => builds.events.push(event),
      signal: new AbortController().signal,
      ...deps,
    },
  );
}

/** What FROM makes of the image on each platform. */
async function archesOf(
  t: test.TestContext,
  from: string,
  [options, deps]: [Partial<BuildOptions>?, Partial<BuildDeps>?] = [],
): Promise<(string | undefined)[]> {
  const builds = await TestBuilds.create(t);
  const arches = [];
  for (const each of platform.split(',')) {
    await builds.build(`FROM ${from}\n`, { platform: each, ...options }, deps);
    arches.push((await builds.image()).config.config?.Labels?.['arch']);
  }
  return arches;
}

test('several platforms give an index in a layout, with its annotations', async (t) => {
  const builds = await TestBuilds.create(t);
  for (const type of ['oci', 'oci-archive'] as const) {
    const dest = path.join(builds.dir, type);
    const result = await buildBoth(builds, {
      outputs: [parseOutputSpec(`type=${type},dest=${dest}`)],
      annotations: [
        { target: 'index', key: 'i', value: '1' },
        { target: 'manifest', key: 'm', value: '2', platform: 'linux/s390x' },
      ],
    });
    assert.equal(result.outputs.length, 1);
    assert.deepEqual(await archesOf(t, `${type}:${dest}`), ['s390x', 'riscv64']);
  }
  const layout = path.join(builds.dir, 'oci');
  const read = (file: string): Record<string, unknown> =>
    JSON.parse(readFileSync(path.join(layout, file), 'utf8')) as Record<string, unknown>;
  const [entry] = read('index.json')['manifests'] as { digest: string; annotations: object }[];
  const index = read(`blobs/${entry?.digest.replace(':', '/') ?? ''}`);
  assert.deepEqual(index['annotations'], { i: '1' });
  const manifests = index['manifests'] as { digest: string; platform: object }[];
  assert.deepEqual(
    manifests.map((each) => each.platform),
    [
      { os: 'linux', architecture: 's390x' },
      { os: 'linux', architecture: 'riscv64' },
    ],
  );
  const own = manifests.map(({ digest }) => read(`blobs/${digest.replace(':', '/')}`));
  assert.deepEqual(
    own.map(({ annotations }) => annotations),
    [{ m: '2' }, undefined],
  );
});

test('several platforms are pushed as an index', async (t) => {
  await using registry = await TestRegistry.start();
  await using client = new RegistryClient({
    insecureRegistries: [registry.host],
    userAgent: 'test',
  });
  const deps = { registry: () => Promise.resolve(client) };
  const name = `${registry.host}/both:1`;
  const builds = await TestBuilds.create(t);
  await buildBoth(builds, { tags: [name], push: true }, deps);
  const arches = await archesOf(t, name, [{ pull: 'missing' }, deps]);
  assert.deepEqual(arches, ['s390x', 'riscv64']);
});

test('the store has the image of each platform; the events tell which', async (t) => {
  const builds = await TestBuilds.create(t);
  const { imageDigest } = await buildBoth(builds);
  const reference = parseReference('both');
  const found = ['s390x', 'riscv64'].map((architecture) =>
    builds.store.images.get(reference, { os: 'linux', architecture }),
  );
  assert.deepEqual(
    found.map((record) => record && formatPlatform(record.platform)),
    platform.split(','),
  );
  const kinds = builds.events.map(({ kind }) => kind);
  assert.equal(kinds.filter((kind) => kind === 'build-started').length, 1);
  assert.equal(kinds.filter((kind) => kind === 'build-completed').length, 1);
  const names = builds.events.flatMap((event) =>
    event.kind === 'vertex-added' ? [event.vertex.name] : [],
  );
  assert.ok(names.includes('[linux/riscv64 2/2] COPY f /'), names.join('\n'));
  assert.equal((await buildBoth(builds)).imageDigest, imageDigest);
});

const REFUSED: readonly (readonly [name: string, Partial<BuildOptions>, RegExp])[] = [
  [
    'an output without a place for an index',
    { outputs: [parseOutputSpec('type=docker,dest=x')] },
    /several platforms as type docker/,
  ],
  [
    'an annotation of an index that is not made',
    { platform: 'linux/s390x', annotations: [{ target: 'index', key: 'a', value: 'b' }] },
    /an image of one platform has no index/,
  ],
  [
    'a context that can be read once',
    { context: '-', buildfile: { name: undefined } },
    /read once/,
  ],
];
for (const [name, options, message] of REFUSED) {
  test(`buildPlatforms() refuses ${name}`, async (t) => {
    const builds = await TestBuilds.create(t);
    await assert.rejects(buildBoth(builds, options), { code: 'TSB_USAGE', message });
  });
}
