import assert from 'node:assert/strict';
import test from 'node:test';
import { TestBuilds } from '../testing/builds.js';

const BASE = `FROM scratch
COPY dir /d
COPY a.txt /a
`;
const TEXT = `FROM base
COPY b.txt /a
WORKDIR /w
COPY dir/x /w/
COPY --link a.txt /w/y
COPY --chown=5:6 dir /d
LABEL l=1
`;

async function begin(t: test.TestContext): Promise<TestBuilds> {
  const builds = await TestBuilds.create(t);
  builds.files({ 'a.txt': 'a', 'b.txt': 'b', 'dir/x': 'x', 'dir/sub/z': 'z' });
  await builds.build(BASE, { tags: ['base'], sourceDateEpoch: 1 });
  return builds;
}

const MODES = [
  ['new', 3],
  ['all', 1],
] as const;
for (const [squash, count] of MODES) {
  test(`squash: ${squash} gives the same files in ${count} layers`, async (t) => {
    const builds = await begin(t);
    const options = { sourceDateEpoch: 2 };
    await builds.build(TEXT, options);
    const want = await builds.tree();
    const settings = (await builds.image()).config.config;

    const { imageDigest } = await builds.build(TEXT, { ...options, squash });
    const { layers, config } = await builds.image();
    assert.equal(layers.length, count);
    assert.equal(config.rootfs.diff_ids.length, count);
    assert.deepEqual(await builds.tree(), want);
    assert.deepEqual(config.config, settings);
    const history = (config.history ?? []).filter(({ empty_layer }) => empty_layer !== true);
    assert.equal(history.length, count);
    assert.equal(history.at(-1)?.created_by, 'SQUASH # tsbuild');
    assert.equal(config.history?.length, 9);

    const before = builds.store.layers.list().length;
    assert.equal((await builds.build(TEXT, { ...options, squash })).imageDigest, imageDigest);
    assert.equal(builds.store.layers.list().length, before);
  });
}

test('a squashed image survives a prune, with what its layer refers to', async (t) => {
  const builds = await begin(t);
  await builds.build(TEXT, { squash: 'all' });
  const want = await builds.tree();
  await builds.store.prune({ all: true });
  assert.deepEqual(await builds.tree(), want);
});

test('one new layer is left as it is', async (t) => {
  const builds = await begin(t);
  const text = 'FROM base\nCOPY b.txt /b\n';
  const { imageDigest } = await builds.build(text, { sourceDateEpoch: 1 });
  const squashed = await builds.build(text, { sourceDateEpoch: 1, squash: 'new' });
  assert.equal(squashed.imageDigest, imageDigest);
});
