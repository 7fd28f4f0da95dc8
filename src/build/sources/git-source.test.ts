import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { ImageTree } from '../../overlay/image-tree.js';
import { findGitUrl } from '../../remote/git-url.js';
import { layerFiles, testFetchDeps } from '../../testing/fetch-deps.js';
import { COMMIT_TIME, GitServer } from '../../testing/git-server.js';
import { requires } from '../../testing/requires.js';
import { byteNameOf, displayName } from '../../util/byte-name.js';
import type { FetchDeps } from './fetch-deps.js';
import { openLayers } from './fetched-layer.js';
import type { GitFiles } from './git-source.js';
import { gitFiles } from './git-source.js';

async function get(deps: FetchDeps, text: string, keepGitDir = false): Promise<GitFiles> {
  const url = findGitUrl(text);
  assert.ok(url, text);
  return await gitFiles(deps, { url, keepGitDir });
}

test('gitFiles() brings branch, tag, commit and other refs, once for each commit', async (t) => {
  if (!requires(t, 'program:git')) return;
  const server = await GitServer.start(t);
  const repository = server.repository('a.git');
  const one = repository.commit({ 'dir/file': 'one\n', run: '#!/bin/sh\n', link: '-> dir/file' });
  repository.git('tag', '-a', '-m', 'tag', 'v1');
  repository.git('update-ref', 'refs/pull/7/head', one);
  const two = repository.commit({ 'dir/file': 'two\n' });
  repository.git('branch', 'topic', one);
  const deps = await testFetchDeps(t);
  const url = `${server.url}/a.git`;
  const newest = await get(deps, url);
  assert.equal(newest.ref.commit, two);
  assert.equal(newest.ref.name, 'refs/heads/main');
  assert.deepEqual(layerFiles(deps, newest.layer), [
    '/dir 755 0:0 dir',
    '/dir/file 644 0:0 "two\\n"',
    '/link 777 0:0 -> dir/file',
    '/run 644 0:0 "#!/bin/sh\\n"',
  ]);
  const first = await get(deps, `${url}#topic`);
  assert.equal(first.ref.commit, one);
  const asked = server.requests.length;
  for (const ref of [
    'v1',
    'refs/tags/v1',
    'refs/pull/7/head',
    'pull/7/head',
    one,
    one.toUpperCase(),
  ]) {
    const { layer, ref: found } = await get(deps, `${url}#${ref}`);
    assert.equal(layer, first.layer, ref);
    assert.equal(found.commit, one);
  }
  // Only the refs were asked for, of a commit not even those.
  assert.deepEqual(
    server.requests
      .slice(asked)
      .filter((each) => !each.includes('info/refs') && !each.includes('POST')),
    [],
  );
  await assert.rejects(get(deps, `${url}#topik`), {
    code: 'TSB_BUILD',
    hint: 'Did you mean "topic"?',
  });
  await assert.rejects(get(deps, `${url}#${one.slice(0, 8)}`), /it has no ref/);
  await assert.rejects(get(deps, `${url}#${'0'.repeat(40)}`), /it has no commit 0000/);
  await assert.rejects(get(deps, `${url}?commit=ffff#main`), { code: 'TSB_DIGEST_MISMATCH' });
  assert.equal((await get(deps, `${url}?commit=${one.slice(0, 5)}&tag=v1`)).ref.commit, one);
});

test('gitFiles() gives every file the time of the commit', async (t) => {
  if (!requires(t, 'program:git')) return;
  const server = await GitServer.start(t);
  server.repository('a.git').commit({ 'dir/file': 'one\n' });
  const deps = await testFetchDeps(t);
  const times = async (query: string): Promise<number[]> => {
    const { layer } = await get(deps, `${server.url}/a.git${query}`);
    using overlay = openLayers(deps.store, [layer]);
    const tree = new ImageTree(overlay);
    return ['/', '/dir', '/dir/file'].map(
      (path) => tree.resolve(byteNameOf(path), { followLast: true })?.mtimeSec ?? 0,
    );
  };
  assert.deepEqual(await times(''), [COMMIT_TIME, COMMIT_TIME, COMMIT_TIME]);
});

test('gitFiles() takes what a check-out would: .gitattributes leave nothing out', async (t) => {
  if (!requires(t, 'program:git')) return;
  const server = await GitServer.start(t);
  const attributes =
    '[attr]gone export-ignore\nsecret export-ignore\nother gone\nid export-subst\nwin text eol=crlf\n';
  server.repository('a.git').commit({
    '.gitattributes': attributes,
    secret: 's',
    other: 'o',
    id: '$Format:%H$',
    win: 'a\nb\n',
  });
  const deps = await testFetchDeps(t);
  const { layer } = await get(deps, `${server.url}/a.git`);
  assert.deepEqual(layerFiles(deps, layer).slice(1), [
    '/id 644 0:0 "$Format:%H$"',
    '/other 644 0:0 "o"',
    '/secret 644 0:0 "s"',
    '/win 644 0:0 "a\\r\\nb\\r\\n"',
  ]);
});

test('gitFiles() brings submodules, relative ones too, and refuses hostile ones', async (t) => {
  if (!requires(t, 'program:git')) return;
  const server = await GitServer.start(t);
  const inner = server.repository('inner.git');
  const innerCommit = inner.commit({ deep: 'deep\n' });
  const middle = server.repository('middle.git');
  middle.commit({ '.gitmodules': '[submodule "in"]\npath = in\nurl = ../inner.git\n' });
  middle.git('update-index', '--add', '--cacheinfo', `160000,${innerCommit},in`);
  middle.git('commit', '-m', 'module');
  const middleCommit = middle.git('rev-parse', 'HEAD');
  const outer = server.repository('outer.git');
  const addModule = (url: string, path = 'lib/mid'): void => {
    outer.commit({ file: url, '.gitmodules': `[submodule "m"]\npath = ${path}\nurl = ${url}\n` });
    outer.git('update-index', '--add', '--cacheinfo', `160000,${middleCommit},${path}`);
    outer.git('commit', '--allow-empty', '-m', 'module');
    outer.git('reset', '-q', '--hard');
  };
  addModule(`${server.url}/middle.git`);
  const deps = await testFetchDeps(t);
  const { layer } = await get(deps, `${server.url}/outer.git`);
  const files = layerFiles(deps, layer).filter((line) => !line.includes('.gitmodules'));
  assert.deepEqual(files, [
    `/file 644 0:0 "${server.url}/middle.git"`,
    '/lib 755 0:0 dir',
    '/lib/mid 755 0:0 dir',
    '/lib/mid/in 755 0:0 dir',
    '/lib/mid/in/deep 644 0:0 "deep\\n"',
  ]);
  const without = await get(deps, `${server.url}/outer.git?submodules=false`);
  assert.ok(layerFiles(deps, without.layer).includes('/lib/mid 755 0:0 dir'));
  for (const url of ['file:///etc', '/etc', 'ext::sh -c id', '-u./x', '../../../../x']) {
    addModule(url);
    await assert.rejects(get(deps, `${server.url}/outer.git`), /Cannot fetch submodule "m"/, url);
  }
  const kept = await get(deps, `${server.url}/outer.git?submodules=0`, true);
  assert.ok(layerFiles(deps, kept.layer).some((line) => line.startsWith('/.git/HEAD')));
});

test('gitFiles() keeps a .git that git can use, with no trace of this machine', async (t) => {
  if (!requires(t, 'program:git')) return;
  const server = await GitServer.start(t);
  const repository = server.repository('a.git');
  repository.commit({ file: 'one\n' });
  const commit = repository.commit({ file: 'two\n' });
  repository.git('tag', '-a', '-m', 'tag', 'v1');
  const url = `${server.url}/a.git?tag=v1`;
  const deps = await testFetchDeps(t);
  const { layer } = await get(deps, url, true);
  const lines = layerFiles(deps, layer);
  assert.ok(lines.includes(`/.git/HEAD 644 0:0 "${commit}\\n"`));
  assert.ok(lines.some((line) => line.startsWith('/.git/refs/tags/v1 ')));
  assert.ok(lines.some((line) => /^\/\.git\/objects\/pack\/pack-[0-9a-f]+\.pack 444/.test(line)));
  assert.deepEqual(
    lines.filter((line) => /hooks|FETCH_HEAD|logs|tsbuild|\.lock/.test(line)),
    [],
  );
  const config = lines.find((line) => line.startsWith('/.git/config')) ?? '';
  assert.match(config, new RegExp(`url = ${server.url}/a.git\\\\n`));
  // Again from nothing: the same bytes.
  const other = await testFetchDeps(t);
  assert.deepEqual(layerFiles(other, (await get(other, url, true)).layer), lines);
});

test('gitFiles() refuses commits that git would not check out', async (t) => {
  if (!requires(t, 'program:git')) return;
  const server = await GitServer.start(t);
  const repository = server.repository('a.git');
  repository.commit({ file: 'x' });
  const blob = repository.blob('[core]\n\tfsmonitor = id\n');
  const dir = repository.gitWith(`100644 blob ${blob}\tconfig\n`, 'mktree');
  repository.commitTree([`040000 tree ${dir}\t.git`], 'evil');
  repository.commitTree([`040000 tree ${dir}\t.GIT`], 'evil-case');
  repository.commitTree([`040000 tree ${dir}\t..`], 'up');
  const deps = await testFetchDeps(t);
  for (const branch of ['evil', 'evil-case', 'up']) {
    await assert.rejects(get(deps, `${server.url}/a.git#${branch}`), { name: 'UserError' }, branch);
  }
});

test('gitFiles() authorizes with secrets, for the right server only', async (t) => {
  if (!requires(t, 'program:git')) return;
  const server = await GitServer.start(t);
  server.repository('a.git').commit({ file: 'x' });
  server.requireAuthorization('x-access-token:tok');
  const url = `${server.url}/a.git`;
  const { host } = new URL(server.url);
  const cases: readonly (readonly [secrets: Record<string, string>, works: boolean])[] = [
    [{}, false],
    [{ GIT_AUTH_TOKEN: 'tok\n' }, true],
    [{ GIT_AUTH_TOKEN: 'wrong', [`GIT_AUTH_TOKEN.${host}`]: 'tok' }, true],
    [{ 'GIT_AUTH_TOKEN.127.0.0.1': 'tok' }, true],
    [{ 'GIT_AUTH_TOKEN.other': 'tok' }, false],
    [{ GIT_AUTH_HEADER: `Basic ${Buffer.from('x-access-token:tok').toString('base64')}` }, true],
    [{ GIT_AUTH_TOKEN: 'tok\ninjected: x' }, false],
  ];
  for (const [secrets, works] of cases) {
    const deps = await testFetchDeps(t, { secrets });
    const done = get(deps, url);
    if (works) await done;
    else await assert.rejects(done, { code: 'TSB_AUTH', hint: /GIT_AUTH_TOKEN/ });
  }
  const deps = await testFetchDeps(t);
  const { host: where } = new URL(url);
  await get(deps, `http://x-access-token:tok@${where}/a.git`);
  await assert.rejects(
    get(deps, `http://me:s3cret@${where}/a.git?mtime=checkout`),
    (error: Error) => {
      assert.doesNotMatch(JSON.stringify(error) + error.message, /s3cret/);
      return true;
    },
  );
});

test('gitFiles() brings credentials nowhere but to their server', async (t) => {
  if (!requires(t, 'program:git')) return;
  const [server, other] = [await GitServer.start(t), await GitServer.start(t)];
  other.repository('a.git').commit({ file: 'x' });
  const seen: unknown[] = [];
  server.intercept = ({ url = '' }, response) => {
    response.writeHead(301, { location: `${other.url}${url}` }).end();
    return true;
  };
  other.intercept = ({ headers }) => {
    seen.push(headers.authorization);
    return false;
  };
  await get(await testFetchDeps(t), `${server.url}/a.git`);
  assert.ok(seen.length > 1);
  const deps = await testFetchDeps(t, { secrets: { GIT_AUTH_TOKEN: 'tok' } });
  await assert.rejects(get(deps, `${server.url}/a.git`), { hint: /has moved/ });
  assert.deepEqual(
    seen.filter((each) => each !== undefined),
    [],
  );
});

test('gitFiles() ends when a server says nothing, sends too much, or the build is stopped', async (t) => {
  if (!requires(t, 'program:git')) return;
  const server = await GitServer.start(t);
  server.repository('a.git').commit({ file: 'x'.repeat(100_000) });
  server.intercept = () => true;
  const limited = await testFetchDeps(t);
  const limits = { ...limited.limits, gitIdleTimeoutMs: 300 };
  await assert.rejects(get({ ...limited, limits }, `${server.url}/a.git`), {
    code: 'TSB_NETWORK',
    message: /said nothing/,
  });
  const stop = new AbortController();
  const stopping = get({ ...limited, signal: stop.signal }, `${server.url}/a.git`);
  setTimeout(() => stop.abort(new Error('stopped')), 200);
  await assert.rejects(stopping, /stopped/);
  server.intercept = () => false;
  const few = { ...limited.limits, gitFilesBytesMax: 50_000 };
  await assert.rejects(get({ ...limited, limits: few }, `${server.url}/a.git`), {
    code: 'TSB_LIMIT',
  });
});

test('gitFiles() falls back where a server does not know shallow or unadvertised', async (t) => {
  if (!requires(t, 'program:git')) return;
  const server = await GitServer.start(t);
  const repository = server.repository('a.git');
  const one = repository.commit({ file: 'one' });
  repository.commit({ file: 'two' });
  // Plain files: what a web server without git has.
  repository.git('repack', '-a', '-d', '-q');
  repository.git('update-server-info');
  const deps = await testFetchDeps(t);
  server.intercept = ({ url = '' }, response) => {
    const file = path.join(server.root, new URL(url, server.url).pathname);
    if (existsSync(file)) response.end(readFileSync(file));
    else response.writeHead(404).end();
    return true;
  };
  const { layer } = await get(deps, `${server.url}/a.git#${one}`);
  assert.deepEqual(layerFiles(deps, layer), ['/file 644 0:0 "one"']);
});

test('gitFiles() goes by ssh with the agent alone, to known hosts alone', async (t) => {
  if (!requires(t, 'program:git')) return;
  const server = await GitServer.start(t);
  const commit = server.repository('a.git').commit({ file: 'x' });
  // In the place of ssh: notes how it was called, and runs the command here.
  const bin = path.join(server.root, 'bin');
  const log = path.join(server.root, 'log');
  mkdirSync(bin);
  const script = `#!/bin/sh
for word; do echo "$word"; done >> ${log}
echo "agent $SSH_AUTH_SOCK" >> ${log}
for command; do :; done
command=$(echo "$command" | sed "s#'/#'#")
cd ${server.root} && HOME=/ GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*' exec sh -c "$command"
`;
  writeFileSync(path.join(bin, 'ssh'), script, { mode: 0o755 });
  const env = { PATH: `${bin}:${process.env['PATH'] ?? ''}`, HOME: '/home/none' };
  const ssh = { agentSocket: '/run/my agent', knownHostsFile: "/home/o'neill/known hosts" };
  const deps = await testFetchDeps(t, { env, ssh: () => Promise.resolve(ssh) });
  const { ref } = await get(deps, 'ssh://git@host.example/a.git');
  assert.equal(ref.commit, commit);
  const { layer } = await get(deps, 'git@host.example:a.git#main');
  assert.deepEqual(layerFiles(deps, layer), ['/file 644 0:0 "x"']);
  const lines = readFileSync(log, 'utf8').split('\n');
  for (const line of [
    'StrictHostKeyChecking=yes',
    'BatchMode=yes',
    `UserKnownHostsFile="/home/o'neill/known hosts"`,
    'agent /run/my agent',
  ]) {
    assert.ok(lines.includes(line), line);
  }
  const without = await testFetchDeps(t, { env });
  await assert.rejects(get(without, 'git@host.example:a.git'), {
    code: 'TSB_AUTH',
    hint: 'Give the build your ssh agent: --ssh default',
  });
});

test('gitFiles() keeps the .git of submodules, and takes SHA-256 repositories', async (t) => {
  if (!requires(t, 'program:git')) return;
  const server = await GitServer.start(t);
  const inner = server.repository('inner.git').commit({ deep: 'deep\n' });
  const outer = server.repository('outer.git');
  outer.commit({ file: 'x', '.gitmodules': '[submodule "m"]\npath = a/b\nurl = ../inner.git\n' });
  outer.git('update-index', '--add', '--cacheinfo', `160000,${inner},a/b`);
  outer.git('commit', '-m', 'module');
  const deps = await testFetchDeps(t);
  const { layer } = await get(deps, `${server.url}/outer.git`, true);
  const lines = layerFiles(deps, layer);
  assert.ok(lines.includes('/a/b/.git 644 0:0 "gitdir: ../../.git/modules/m\\n"'));
  assert.ok(lines.includes(`/.git/modules/m/HEAD 644 0:0 "${inner}\\n"`));
  const config = lines.find((line) => line.startsWith('/.git/modules/m/config ')) ?? '';
  assert.match(config, /worktree = \.\.\/\.\.\/\.\.\/a\/b\\n/);
  // As git itself sees it.
  const out = path.join(server.root, 'out');
  mkdirSync(out);
  using overlay = openLayers(deps.store, [layer]);
  await writeTree(new ImageTree(overlay), out);
  const git = (...args: string[]): string =>
    execFileSync('git', ['-C', out, '-c', 'safe.directory=*', ...args], { encoding: 'utf8' });
  assert.equal(git('status', '--porcelain'), '');
  assert.equal(git('submodule', 'status').trim().split(' ')[0], inner);
  const modern = server.repository('modern.git', 'sha256').commit({ file: 'modern\n' });
  assert.equal(modern.length, 64);
  const found = await get(deps, `${server.url}/modern.git`, true);
  assert.equal(found.ref.commit, modern);
  assert.ok(layerFiles(deps, found.layer).includes('/file 644 0:0 "modern\\n"'));
});

/** Writes a tree of directories and files to a directory. */
async function writeTree(tree: ImageTree, dir: string, at = tree.root): Promise<void> {
  for (const [name, node] of tree.children(at)) {
    const file = path.join(dir, displayName(name));
    if (node.isDir) {
      mkdirSync(file);
      await writeTree(tree, file, node);
    } else {
      writeFileSync(file, tree.readAll(node, 1e6));
    }
  }
}
