import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'node:test';
import type { TestContext } from 'node:test';
import { parseOutputSpec } from '../../output/output-spec.js';
import { TestBuilds } from '../../testing/builds.js';
import { FileServer } from '../../testing/file-server.js';
import { GitServer } from '../../testing/git-server.js';
import { requires } from '../../testing/requires.js';
import { NamedContexts } from './named-contexts.js';

/** A directory with these files, gone after the test. */
function directory(t: TestContext, files: Readonly<Record<string, string>>): string {
  const dir = mkdtempSync(path.join(tmpdir(), 'tsbuild-named-'));
  t.after(() => rmSync(dir, { recursive: true }));
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(dir, name)), { recursive: true });
    writeFileSync(path.join(dir, name), content);
  }
  return dir;
}

test('a directory is a FROM, a COPY --from and a stage, with its own ignore file', async (t) => {
  const builds = await TestBuilds.create(t);
  const dir = directory(t, { 'a/b': 'b', ignored: 'x', '.dockerignore': 'ignored\n.*' });
  symlinkSync('/etc', path.join(dir, 'link'));
  const namedContexts = { tools: dir };
  const from = await builds.build('FROM tools\nCOPY --from=tools a /c/\n', { namedContexts });
  assert.deepEqual(await builds.tree(), [
    '/a 755 0:0 dir',
    '/a/b 644 0:0 "b"',
    '/c 755 0:0 dir',
    '/c/b 644 0:0 "b"',
    '/link 777 0:0 -> /etc',
  ]);
  const again = await builds.build('FROM tools\nCOPY --from=tools a /c/\n', { namedContexts });
  assert.equal(again.imageDigest, from.imageDigest);
  assert.deepEqual(builds.outcomes(again), ['cached']);
  const stage = 'FROM scratch AS tools\nCOPY none /\nFROM tools\n';
  await builds.build(stage, { namedContexts });
  assert.deepEqual(await builds.tree(), [
    '/a 755 0:0 dir',
    '/a/b 644 0:0 "b"',
    '/link 777 0:0 -> /etc',
  ]);
  await assert.rejects(
    builds.build('FROM scratch\nCOPY --from=tools link/passwd /\n', { namedContexts }),
    { code: 'TSB_COPY', message: /not found in build context "tools"/ },
  );
  await assert.rejects(
    builds.build('FROM scratch\nCOPY --from=tools ignored /\n', { namedContexts }),
    { code: 'TSB_COPY', hint: /ignore/ },
  );
  writeFileSync(path.join(dir, 'a/b'), 'changed');
  const changed = await builds.build('FROM tools\nCOPY --from=tools a /c/\n', { namedContexts });
  assert.deepEqual(builds.outcomes(changed), ['an earlier step changed']);
});

test('another stage, an image and scratch stand in for a name', async (t) => {
  const builds = await TestBuilds.create(t);
  builds.files({ one: '1', two: '2' });
  await builds.build('FROM scratch\nCOPY one /\nCMD ["x"]\n', { tags: ['base:1'] });
  const text = 'FROM base:1 AS a\nFROM scratch AS b\nCOPY two /\nFROM a\n';
  const tree = async (namedContexts: Record<string, string>): Promise<string[]> => {
    await builds.build(text, { namedContexts });
    return await builds.tree();
  };
  assert.deepEqual(await tree({}), ['/one 644 0:0 "1"']);
  assert.deepEqual(await tree({ a: 'target:b' }), ['/two 644 0:0 "2"']);
  assert.deepEqual(await tree({ 'docker.io/library/base:1': 'target:b' }), ['/two 644 0:0 "2"']);
  assert.deepEqual(await tree({ a: 'docker-image://scratch' }), []);
  const image = 'FROM other\n';
  await builds.build(image, { namedContexts: { other: 'docker-image://base:1' } });
  assert.deepEqual((await builds.image()).config.config?.Cmd, ['x']);
  await assert.rejects(tree({ a: 'target:c' }), { code: 'TSB_USAGE', message: /no such stage/ });
  await assert.rejects(
    builds.build('FROM x AS a\nFROM a AS b\n', { namedContexts: { x: 'target:b' } }),
    { code: 'TSB_USAGE', message: /it needs itself/ },
  );
});

test('an OCI layout stands in for a name, by tag and digest', async (t) => {
  const builds = await TestBuilds.create(t);
  builds.files({ one: '1' });
  const dir = path.join(builds.dir, 'layout');
  await builds.build('FROM scratch\nCOPY one /\n', {
    tags: ['base:1'],
    outputs: [parseOutputSpec(`type=oci,dest=${dir}`)],
  });
  const index = readFileSync(path.join(dir, 'index.json'), 'utf8');
  const digest = /sha256:[0-9a-f]{64}/.exec(index)?.[0] ?? '';
  for (const suffix of ['', `@${digest}`, ':1', `:1@${digest}`]) {
    const namedContexts = { base: `oci-layout://${dir}${suffix}` };
    await builds.build('FROM base\n', { namedContexts });
    assert.deepEqual(await builds.tree(), ['/one 644 0:0 "1"']);
  }
  const namedContexts = { base: `oci-layout://${dir}@sha256:${'0'.repeat(64)}` };
  await assert.rejects(builds.build('FROM base\n', { namedContexts }), {
    code: 'TSB_IMAGE_NOT_FOUND',
  });
});

test('git repositories and files of http are contexts, too', async (t) => {
  if (!requires(t, 'program:git')) return;
  const git = await GitServer.start(t);
  git.repository('a.git').commit({ 'src/x': 'x' });
  const http = await FileServer.start(t);
  http.files.set('/f', 'text');
  const builds = await TestBuilds.create(t);
  const namedContexts = { code: `${git.url}/a.git#main:src`, file: `${http.url}/f` };
  const text = 'FROM code\nCOPY --from=file context /f\nCOPY --from=code . /again/\n';
  await builds.build(text, { namedContexts });
  assert.deepEqual(await builds.tree(), [
    '/again 755 0:0 dir',
    '/again/x 644 0:0 "x"',
    '/f 600 0:0 "text"',
    '/x 644 0:0 "x"',
  ]);
});

test('a context that nothing uses is warned of', async (t) => {
  const builds = await TestBuilds.create(t);
  const dir = directory(t, {});
  await builds.build('FROM scratch\n', { namedContexts: { tool: dir } });
  const warnings = builds.events.flatMap((event) =>
    event.kind === 'warning' ? [event.warning.message] : [],
  );
  assert.deepEqual(warnings, [
    'Build context "tool" is not used: no FROM, --from or stage has that name',
  ]);
});

const BAD: readonly (readonly [value: string, code: string, hint?: RegExp])[] = [
  ['', 'TSB_USAGE'],
  ['-', 'TSB_USAGE'],
  ['./no-such-directory', 'TSB_CONTEXT', /docker-image:\/\//],
  ['docker-imgae://x', 'TSB_USAGE', /Did you mean "docker-image:\/\/"/],
  ['ftp://host/x', 'TSB_USAGE'],
  ['docker-image://UPPER', 'TSB_REFERENCE'],
  ['oci-layout://', 'TSB_USAGE'],
  ['oci-layout://x@sha256:1', 'TSB_USAGE'],
  ['target:', 'TSB_USAGE'],
  ['https://h/a.git?x=1', 'TSB_PARSE'],
];
for (const [value, code, hint = /^/] of BAD) {
  test(`--build-context x=${value} is refused`, () => {
    assert.throws(
      () => new NamedContexts({ x: value }),
      (error: { code: string; hint?: string }) => {
        assert.equal(error.code, code);
        assert.match(error.hint ?? '', hint);
        return true;
      },
    );
  });
}

test('names of contexts mean what names of images do', () => {
  const contexts = new NamedContexts({ alpine: 'docker-image://scratch', 'x.io/y:1': 'target:a' });
  for (const name of ['alpine', 'alpine:latest', 'docker.io/library/alpine', 'x.io/y:1']) {
    assert.ok(contexts.find(name), name);
  }
  for (const name of ['alpine:3', 'x.io/y', 'oci:dir', 'UPPER']) {
    assert.equal(contexts.find(name), undefined, name);
  }
  assert.throws(() => new NamedContexts({ Upper: 'target:a' }), { code: 'TSB_USAGE' });
});
