import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { assertContext, findBuildfile } from './buildfile.js';
import { parsePairs, parseSourceDateEpoch } from './pairs.js';

/** A directory with these files, gone after the test. */
function contextWith(t: test.TestContext, ...names: string[]): string {
  const dir = mkdtempSync(join(tmpdir(), 'tsbuild-test-'));
  t.after(() => rmSync(dir, { recursive: true }));
  for (const name of names) writeFileSync(join(dir, name), `# ${name}\n`);
  return dir;
}

const DEFAULTS: [present: string[], want: string][] = [
  [['Buildfile', 'Dockerfile', 'Containerfile'], 'Buildfile'],
  [['Containerfile', 'Dockerfile'], 'Dockerfile'],
  [['Containerfile'], 'Containerfile'],
];
for (const [present, want] of DEFAULTS) {
  test(`findBuildfile() takes ${want} out of ${present.join(', ')}`, async (t) => {
    const context = contextWith(t, ...present);
    assert.deepEqual(await findBuildfile(undefined, context), {
      text: `# ${want}\n`,
      path: join(context, want),
    });
  });
}

test('findBuildfile() refuses a context without one, and a file that is not there', async (t) => {
  const context = contextWith(t, 'other');
  const code = { code: 'TSB_NO_BUILDFILE' };
  await assert.rejects(findBuildfile(undefined, context), code);
  await assert.rejects(findBuildfile(join(context, 'gone'), context), code);
  await assert.rejects(findBuildfile(context, context), code);
  const other = join(context, 'other');
  assert.deepEqual(await findBuildfile(other, context), { text: '# other\n', path: other });
});

const CONTEXTS: [word: string, kind: string][] = [
  ['-', 'stdin'],
  ['https://example.org/x.git#main', 'git'],
  ['git@example.org:x', 'git'],
  ['github.com/a/b', 'git'],
  ['https://example.org/x', 'http'],
];
for (const [word, kind] of CONTEXTS) {
  test(`assertContext() takes ${word}`, () => assert.equal(assertContext(word).kind, kind));
}

test('assertContext() takes a directory, and no file or other scheme', (t) => {
  const context = contextWith(t, 'file');
  assert.equal(assertContext(context).kind, 'directory');
  const bad = ['ftp://example.org/x', join(context, 'file'), join(context, 'gone')];
  for (const each of bad) assert.throws(() => assertContext(each), { code: 'TSB_CONTEXT' });
});

test('findBuildfile() leaves the Buildfile of another context to the build', async () => {
  assert.deepEqual(await findBuildfile('a/b', 'https://example.org/x.git'), { name: 'a/b' });
  assert.deepEqual(await findBuildfile('https://example.org/b', '.'), {
    name: 'https://example.org/b',
  });
  assert.deepEqual(await findBuildfile(undefined, '-'), { name: undefined });
  await assert.rejects(findBuildfile('-', '-'), { code: 'TSB_USAGE' });
});

test('findBuildfile() tells a default name that is a directory', async (t) => {
  const context = contextWith(t);
  mkdirSync(join(context, 'Buildfile'));
  await assert.rejects(findBuildfile(undefined, context), /not a regular file/);
});

test('parsePairs() takes values from the word, else from the fallback', () => {
  const words = ['A=1', 'B=x=y', 'C', 'D', 'A=2', 'E='];
  assert.deepEqual(
    parsePairs(words, '--build-arg', (name) => (name === 'C' ? 'env' : undefined)),
    { A: '2', B: 'x=y', C: 'env', E: '' },
  );
  assert.throws(() => parsePairs(['=x'], '--label', () => ''), /--label "=x"/);
});

test('parseSourceDateEpoch() takes whole seconds only', () => {
  assert.equal(parseSourceDateEpoch(undefined), undefined);
  assert.equal(parseSourceDateEpoch(''), undefined);
  assert.equal(parseSourceDateEpoch('0'), 0);
  assert.equal(parseSourceDateEpoch('1700000000'), 1_700_000_000);
  for (const bad of ['now', '-1', '1.5', '1e9', '99999999999999999999']) {
    assert.throws(() => parseSourceDateEpoch(bad), { code: 'TSB_USAGE' });
  }
});
