import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { TestBuilds } from '../testing/builds.js';
import { UserError } from '../util/errors.js';
import type { BuildOptions } from './options.js';

const TOKEN = 'tok_0123456789abcdef';
const SECRET: Partial<BuildOptions> = {
  runs: { secrets: [{ id: 'npm', kind: 'value', value: `${TOKEN}\n` }] },
};

function warnings({ events }: TestBuilds): string[] {
  return events.flatMap((event) => (event.kind === 'warning' ? [event.warning.message] : []));
}

const REFUSED: readonly (readonly [
  name: string,
  buildfile: string,
  options: Partial<BuildOptions>,
  message: RegExp,
  line: number | undefined,
])[] = [
  ['a copied file', 'FROM scratch\nCOPY . /app/', {}, /secret "npm" is in "\/app\/\.npmrc"$/, 2],
  ['an added archive', 'FROM scratch\nADD .npmrc /x', {}, /secret "npm" is in "\/x"$/, 2],
  [
    'a heredoc',
    `FROM scratch\nCOPY <<E /h\n${Buffer.from(TOKEN).toString('base64')}\nE\n`,
    {},
    /secret "npm" is in "\/h" \(in Base64\)$/,
    2,
  ],
  [
    'the name of a directory',
    `FROM scratch\nWORKDIR /a/${encodeURIComponent(`x${TOKEN}`)}`,
    {},
    /secret "npm" is in /,
    2,
  ],
  [
    'an argument',
    'FROM scratch\nARG A\nENV B=b',
    { buildArgs: { A: TOKEN } },
    /what ARG leaves/,
    2,
  ],
  ['a variable', `FROM scratch\nENV A=x${TOKEN}x`, {}, /secret "npm" is in what ENV leaves/, 2],
  ['a label', `FROM scratch\nLABEL a="${TOKEN}"`, {}, /what LABEL leaves in the image$/, 2],
  ['a command', `FROM scratch\nCMD ["x", "--token=${TOKEN}"]`, {}, /what CMD leaves/, 2],
  ['a trigger', `FROM scratch\nONBUILD ENV A=${TOKEN}`, {}, /what ONBUILD leaves/, 2],
  ['--label', 'FROM scratch', { labels: { a: TOKEN } }, /is in --label a$/, undefined],
  [
    '--annotation',
    'FROM scratch',
    { annotations: [{ target: 'manifest', key: 'k', value: TOKEN }] },
    /is in --annotation k$/,
    undefined,
  ],
];
for (const [name, buildfile, options, message, line] of REFUSED) {
  test(`a build refuses a secret in ${name}`, async (t) => {
    const builds = await TestBuilds.create(t);
    builds.files({ '.npmrc': `token=${TOKEN}` });
    await assert.rejects(builds.build(buildfile, { ...SECRET, ...options }), (error: Error) => {
      assert.match(error.message, message);
      assert.ok(!error.message.includes(TOKEN));
      assert.ok(error instanceof UserError);
      assert.equal(error.code, 'TSB_SECRET');
      assert.equal(error.source?.startLine, line);
      return true;
    });
    assert.ok(
      !JSON.stringify(builds.events.filter(({ kind }) => kind !== 'vertex-added')).includes(TOKEN),
    );

    for (const allowSecretInLayer of ['all', ['npm']] as const) {
      await builds.build(buildfile, { ...SECRET, ...options, allowSecretInLayer });
      assert.match(warnings(builds).join('\n'), /^Secret "npm" is in /);
    }
    await assert.rejects(
      builds.build(buildfile, { ...SECRET, ...options, allowSecretInLayer: ['other'] }),
      { code: 'TSB_SECRET' },
    );
    await builds.build(buildfile, options);
  });
}

test('the hint for a copied secret is to leave it out, for a cached layer too', async (t) => {
  const builds = await TestBuilds.create(t);
  builds.files({ a: TOKEN });
  const copy = 'FROM scratch\nCOPY a /a\n';
  const refused = {
    code: 'TSB_SECRET',
    hint: /^Leave it out with \.dockerignore or --exclude\. If/,
  };
  await assert.rejects(builds.build(copy, SECRET), refused);
  await builds.build(copy);
  await assert.rejects(builds.build(copy, SECRET), refused);
  const label = `FROM scratch\nLABEL a=${TOKEN}\n`;
  await assert.rejects(builds.build(label, SECRET), { hint: /^Mount it where it is needed/ });
});

test('a name that a secret is a part of is told without it', async (t) => {
  const builds = await TestBuilds.create(t);
  builds.files({ [`d/${TOKEN}.txt`]: 'x' });
  await assert.rejects(builds.build('FROM scratch\nCOPY d /d', SECRET), {
    message: 'Cannot keep the layer: secret "npm" is in the name "/d/***.txt"',
  });
});

test('a layer with a secret out of the cache is refused', async (t) => {
  const builds = await TestBuilds.create(t);
  builds.files({ a: TOKEN });
  const buildfile = 'FROM scratch\nCOPY a /a\nLABEL a=b\n';
  await builds.build(buildfile);
  await assert.rejects(builds.build(buildfile, SECRET), (error: Error) => {
    assert.equal(error.message, 'Cannot keep the layer: secret "npm" is in "/a"');
    assert.ok(error instanceof UserError);
    assert.equal(error.source?.startLine, 2);
    return true;
  });
  const allowed = await builds.build(buildfile, { ...SECRET, allowSecretInLayer: ['npm'] });
  assert.deepEqual(builds.outcomes(allowed), ['cached']);
  assert.deepEqual(warnings(builds), ['Secret "npm" is in "/a"']);
});

test('a layer in which a secret was allowed is made again when it is not', async (t) => {
  const builds = await TestBuilds.create(t);
  builds.files({ a: TOKEN });
  const buildfile = 'FROM scratch\nCOPY a /a\n';
  const allowed = { ...SECRET, allowSecretInLayer: 'all' } as const;
  await builds.build(buildfile, allowed);
  assert.deepEqual(builds.outcomes(await builds.build(buildfile, allowed)), ['cached']);
  // The secret has changed since: only the record tells.
  const other = {
    runs: { secrets: [{ id: 'npm', kind: 'value', value: 'another-token' }] },
  } as const;
  const again = await builds.build(buildfile, other);
  assert.deepEqual(builds.outcomes(again), ['the secret in its layer is not allowed']);
  assert.deepEqual(builds.outcomes(await builds.build(buildfile, other)), ['cached']);
});

test('a copy out of a cached layer with an allowed secret is recorded like that layer', async (t) => {
  const builds = await TestBuilds.create(t);
  builds.files({ a: TOKEN });
  const stage = 'FROM scratch AS one\nCOPY a /a\n';
  const whole = `${stage}FROM scratch\nCOPY --from=one /a /b\n`;
  const allowed = { ...SECRET, allowSecretInLayer: 'all' } as const;
  await builds.build(stage, allowed);
  assert.deepEqual(builds.outcomes(await builds.build(whole, allowed)), [
    'cached',
    'the step was not built before',
  ]);
  const reason = 'the secret in its layer is not allowed';
  assert.deepEqual(builds.outcomes(await builds.build(whole)), [reason, reason]);
});

test('a content that another layer brings is searched too', async (t) => {
  const builds = await TestBuilds.create(t);
  builds.files({ a: TOKEN });
  const buildfile = 'FROM scratch AS one\nCOPY a /a\nFROM scratch\nCOPY --from=one /a /b\n';
  await builds.build(buildfile);
  await assert.rejects(builds.build(buildfile, SECRET), /is in "\/[ab]"/);
});

test('a cached layer is searched once for a secret whose file has not changed', async (t) => {
  const builds = await TestBuilds.create(t);
  builds.files({ a: 'x' });
  const file = path.join(builds.dir, 'token');
  const buildfile = 'FROM scratch\nCOPY a /a\n';
  const runs = { secrets: [{ id: 'file', kind: 'file', path: file } as const] };
  await builds.build(buildfile);
  writeFileSync(file, TOKEN);
  await builds.build(buildfile, { runs });
  // Whoever looks into the layer fails.
  const { layers } = await builds.image();
  const [id] = layers.map(({ diffId }) => builds.store.layers.findByDiffId(diffId));
  assert.ok(id !== undefined);
  rmSync(path.join(builds.store.layers.dirOf(id), 'pack'));
  assert.deepEqual(builds.outcomes(await builds.build(buildfile, { runs })), ['cached']);
  writeFileSync(file, 'another-token');
  await assert.rejects(builds.build(buildfile, { runs }), /pack/);
});

test('secrets of files are read, those that cannot be are left to who needs them', async (t) => {
  const builds = await TestBuilds.create(t);
  builds.files({ a: TOKEN });
  const file = path.join(builds.dir, 'token');
  writeFileSync(file, `${TOKEN}\n`);
  const secrets = [
    { id: 'gone', kind: 'file', path: path.join(builds.dir, 'gone') },
    { id: 'file', kind: 'file', path: file },
    { id: 'short', kind: 'value', value: '1234567' },
  ] as const;
  const runs = { secrets };
  await assert.rejects(
    builds.build('FROM scratch\nCOPY a /a', { runs }),
    /secret "file" is in "\/a"/,
  );
  assert.deepEqual(warnings(builds), [
    'Secret "gone" is not kept out of layers and output: it cannot be read',
    'Secret "short" is not kept out of layers and output: it is too short',
  ]);
});

test('build arguments that look like secrets are warned of', async (t) => {
  const builds = await TestBuilds.create(t);
  const buildArgs = { NPM_TOKEN: 'x', PUBLIC_KEY: 'y', TOKENS: 'z' };
  await builds.build('FROM scratch\nARG NPM_TOKEN PUBLIC_KEY TOKENS\nLABEL a=b', { buildArgs });
  const told = warnings(builds).filter((message) => message.startsWith('Build argument'));
  assert.deepEqual(told, [
    'Build argument "NPM_TOKEN" looks like a secret: the image\'s history keeps its value',
  ]);
});

test('credentials of URLs are in no history, those of proxies in no record', async (t) => {
  const builds = await TestBuilds.create(t);
  const buildfile = 'FROM scratch\nARG http_proxy\nARG REPO\nLABEL repo=$REPO\n';
  const buildArgs = {
    http_proxy: `user:${TOKEN}@proxy`,
    REPO: `https://user:${TOKEN}@example.org/repo`,
  };
  await builds.build(buildfile, { buildArgs });
  const { config } = await builds.image();
  const created = (config.history ?? []).map((entry) => entry.created_by);
  assert.deepEqual(created, [
    'ARG http_proxy=***@proxy',
    'ARG REPO=https://***@example.org/repo',
    'LABEL repo=https://***@example.org/repo',
  ]);
  assert.equal(config.config?.Labels?.['repo'], buildArgs.REPO);
});
