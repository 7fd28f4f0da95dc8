import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { assertContext, readBuildfile } from './buildfile.js';
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
  test(`readBuildfile() takes ${want} out of ${present.join(', ')}`, async (t) => {
    const context = contextWith(t, ...present);
    assert.deepEqual(await readBuildfile(undefined, context), {
      text: `# ${want}\n`,
      path: join(context, want),
    });
  });
}

test('readBuildfile() refuses a context without one, and a file that is not there', async (t) => {
  const context = contextWith(t, 'other');
  const code = { code: 'TSB_NO_BUILDFILE' };
  await assert.rejects(readBuildfile(undefined, context), code);
  await assert.rejects(readBuildfile(join(context, 'gone'), context), code);
  await assert.rejects(readBuildfile(context, context), code);
  assert.equal((await readBuildfile(join(context, 'other'), context)).text, '# other\n');
});

test('assertContext() takes a directory only', (t) => {
  const context = contextWith(t, 'file');
  assertContext(context);
  const bad = ['-', 'https://example.org/x.git', join(context, 'file'), join(context, 'gone')];
  for (const each of bad) assert.throws(() => assertContext(each), { code: 'TSB_CONTEXT' });
});

test('readBuildfile() tells a default name that is a directory', async (t) => {
  const context = contextWith(t);
  mkdirSync(join(context, 'Buildfile'));
  await assert.rejects(readBuildfile(undefined, context), /not a regular file/);
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
