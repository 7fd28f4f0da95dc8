import assert from 'node:assert/strict';
import test from 'node:test';
import { TestBuilds } from '../testing/builds.js';

const TEXT = `FROM scratch AS one
COPY a.txt /a
WORKDIR /w
FROM scratch AS two
COPY b.txt /b
FROM two
COPY --from=one /a /a
`;
const [CACHED, OFF] = ['cached', 'the cache is switched off'];

async function begin(t: test.TestContext): Promise<TestBuilds> {
  const builds = await TestBuilds.create(t);
  builds.files({ 'a.txt': 'a', 'b.txt': 'b' });
  await builds.build(TEXT);
  return builds;
}

/** What became of each step, by its name. */
async function outcomes(
  builds: TestBuilds,
  options: Parameters<TestBuilds['build']>[1],
): Promise<Record<string, string>> {
  const { steps } = await builds.build(TEXT, options);
  return Object.fromEntries(
    steps.map(({ name, cached, missReason = '' }) => [
      name.replace(/ \d.*\]/, ']'),
      cached ? CACHED : missReason,
    ]),
  );
}

const CASES: readonly (readonly [readonly string[], readonly string[]])[] = [
  [[], [CACHED, CACHED, CACHED, CACHED]],
  [['one'], [OFF, OFF, CACHED, CACHED]],
  [
    ['TWO', '2'],
    [CACHED, CACHED, OFF, OFF],
  ],
];
for (const [noCacheFilter, [copyA, workdir, copyB, copyFrom]] of CASES) {
  test(`--no-cache-filter ${noCacheFilter.join(',') || 'nothing'}`, async (t) => {
    const builds = await begin(t);
    assert.deepEqual(await outcomes(builds, { noCacheFilter }), {
      '[one] COPY a.txt /a': copyA,
      '[one] WORKDIR /w': workdir,
      '[two] COPY b.txt /b': copyB,
      '[stage-2] COPY --from=one /a /a': copyFrom,
    });
  });
}

test('a stage of --no-cache-filter that is not there is refused', async (t) => {
  const builds = await begin(t);
  await assert.rejects(builds.build(TEXT, { noCacheFilter: ['on'] }), {
    code: 'TSB_USAGE',
    message: 'Cannot find stage "on" for --no-cache-filter',
    hint: 'Did you mean "one"?',
  });
});
