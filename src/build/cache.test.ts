import assert from 'node:assert/strict';
import { chmodSync, utimesSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { TestBuilds } from '../testing/builds.js';

const TEXT = `FROM scratch
ENV UNUSED=1
COPY a.txt /a
WORKDIR /w
COPY dir /d
LABEL l=1
`;
const ALL_CACHED = ['cached', 'cached', 'cached'];

async function begin(t: test.TestContext): Promise<TestBuilds> {
  const builds = await TestBuilds.create(t);
  builds.files({ 'a.txt': 'a', 'dir/x': 'x' });
  assert.deepEqual(builds.outcomes(await builds.build(TEXT)), [
    ...Array.from({ length: 3 }, () => 'the step was not built before'),
  ]);
  return builds;
}

test('a rebuild carries out nothing and makes the same image', async (t) => {
  const builds = await begin(t);
  const first = await builds.image();
  const again = await builds.build(TEXT);
  assert.deepEqual(builds.outcomes(again), ALL_CACHED);
  assert.equal(again.imageDigest, first.record.manifest.digest);
});

const CHANGES: readonly (readonly [
  name: string,
  change: (builds: TestBuilds) => string,
  want: readonly string[],
])[] = [
  [
    'content',
    (builds) => {
      builds.files({ 'a.txt': 'changed' });
      return TEXT;
    },
    ['what is copied changed', 'an earlier step changed', 'an earlier step changed'],
  ],
  [
    'a later file',
    (builds) => {
      builds.files({ 'dir/y': 'new' });
      return TEXT;
    },
    ['cached', 'cached', 'what is copied changed'],
  ],
  [
    'a mode',
    ({ context }) => {
      chmodSync(path.join(context, 'dir/x'), 0o755);
      return TEXT;
    },
    ['cached', 'cached', 'what is copied changed'],
  ],
  [
    'a time only',
    ({ context }) => {
      utimesSync(path.join(context, 'a.txt'), 1, 1);
      return TEXT;
    },
    ALL_CACHED,
  ],
  ['a variable that no step uses', () => TEXT.replace('UNUSED=1', 'UNUSED=2'), ALL_CACHED],
  ['a label', () => TEXT.replace('l=1', 'l=2'), ALL_CACHED],
  [
    'a destination',
    () => TEXT.replace('dir /d', 'dir /e'),
    ['cached', 'cached', 'the step was not built before'],
  ],
  ['a file that is not copied', (builds) => (builds.files({ other: 'o' }), TEXT), ALL_CACHED],
];
for (const [name, change, want] of CHANGES) {
  test(`the cache after a change of ${name}`, async (t) => {
    const builds = await begin(t);
    const text = change(builds);
    assert.deepEqual(builds.outcomes(await builds.build(text)), want);
  });
}

test('--no-cache carries out everything', async (t) => {
  const builds = await begin(t);
  const result = await builds.build(TEXT, { noCache: true });
  assert.deepEqual([...new Set(builds.outcomes(result))], ['the cache is switched off']);
});

test('a record whose layer is gone is a miss', async (t) => {
  const builds = await begin(t);
  for (const id of builds.store.layers.list()) builds.store.layers.remove(id);
  const result = await builds.build(TEXT);
  assert.deepEqual(builds.outcomes(result), [
    ...Array.from({ length: 3 }, () => 'the layer is no longer in the store'),
  ]);
});

test('COPY --from a changed stage is cached if what it copies is the same', async (t) => {
  const builds = await TestBuilds.create(t);
  builds.files({ tool: 'tool', source: '1' });
  const text =
    'FROM scratch AS b\nCOPY source /s\nCOPY tool /t\nFROM scratch\nCOPY --from=b /t /t\n';
  await builds.build(text);
  builds.files({ source: '2' });
  const changed = await builds.build(text);
  assert.deepEqual(builds.outcomes(changed), [
    'what is copied changed',
    'an earlier step changed',
    'cached',
  ]);
  assert.deepEqual(builds.outcomes(await builds.build(text)), ALL_CACHED);
});

test('SOURCE_DATE_EPOCH gives the same digest from other times', async (t) => {
  const digests: string[] = [];
  for (const seconds of [1_700_000_000, 1_800_000_000]) {
    const builds = await TestBuilds.create(t);
    builds.files({ 'a.txt': 'a', 'dir/x': 'x' });
    for (const name of ['a.txt', 'dir/x', 'dir']) {
      utimesSync(path.join(builds.context, name), seconds, seconds);
    }
    const { imageDigest } = await builds.build(TEXT, { sourceDateEpoch: 1_600_000_000 });
    digests.push(imageDigest);
    assert.equal((await builds.image()).config.created, '2020-09-13T12:26:40Z');
  }
  assert.equal(digests[0], digests[1]);
});
