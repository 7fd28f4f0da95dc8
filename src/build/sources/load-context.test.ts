import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import type { TestContext } from 'node:test';
import { gzipSync } from 'node:zlib';
import { TestBuilds } from '../../testing/builds.js';
import { FileServer } from '../../testing/file-server.js';
import { GitServer } from '../../testing/git-server.js';
import { requires } from '../../testing/requires.js';
import { archive } from '../../testing/tar-archive.js';
import type { ArchiveEntry } from '../../testing/tar-archive.js';
import type { UserError } from '../../util/errors.js';
import type { BuildDeps, BuildOptions, BuildResult } from '../options.js';

const BUILDFILE = 'FROM scratch\nCOPY . /\n';
const FILES: readonly ArchiveEntry[] = [
  { name: 'Dockerfile', data: BUILDFILE },
  { name: '.dockerignore', data: 'ignored\nDockerfile\n.dockerignore\n' },
  { name: 'ignored', data: 'x' },
  { name: 'file', data: 'file', uid: 1234, mode: 0o640 },
  { name: 'dir/link', typeflag: '2', linkname: '../file' },
];
const TREE = ['/dir 755 0:0 dir', '/dir/link 777 0:0 -> ../file', '/file 640 0:0 "file"'];

async function once(bytes: Buffer | string): Promise<AsyncIterable<Buffer>> {
  await Promise.resolve();
  return (async function* () {
    await Promise.resolve();
    // In pieces: what a stream is must not depend on how it arrives.
    const all = Buffer.from(bytes);
    yield all.subarray(0, 3);
    yield all.subarray(3);
  })();
}

/** Builds what a context has. */
async function build(
  builds: TestBuilds,
  context: string,
  options: Partial<BuildOptions> = {},
  deps: Partial<BuildDeps> = {},
): Promise<BuildResult> {
  return await builds.build('', { context, buildfile: { name: undefined }, ...options }, deps);
}

const COMPRESSIONS: readonly (readonly [name: string, command: string | undefined])[] = [
  ['none', undefined],
  ['gzip', 'gzip'],
  ['bzip2', 'bzip2'],
  ['xz', 'xz'],
  ['zstd', 'zstd'],
];
for (const [name, command] of COMPRESSIONS) {
  test(`a context from standard input is told by content: tar, compression ${name}`, async (t) => {
    if (command !== undefined && !requires(t, `program:${command}`)) return;
    const builds = await TestBuilds.create(t);
    const tar = archive(FILES);
    const input = command === undefined ? tar : execFileSync(command, ['-c'], { input: tar });
    await build(builds, '-', {}, { stdin: await once(input) });
    assert.deepEqual(await builds.tree(), TREE);
    assert.deepEqual(readdirSync(path.join(builds.dir, 'store/work')).length <= 1, true);
  });
}

test('a Buildfile from standard input has no context', async (t) => {
  const builds = await TestBuilds.create(t);
  await build(builds, '-', {}, { stdin: await once('FROM scratch\nCOPY <<E /x\nE\nCOPY . /\n') });
  assert.deepEqual(await builds.tree(), ['/x 644 0:0 ""']);
  const stdin = await once('FROM scratch\nCOPY none /\n');
  await assert.rejects(build(builds, '-', {}, { stdin }), {
    code: 'TSB_COPY',
    hint: 'There is no build context: standard input is the Buildfile. Give both with -f - DIRECTORY',
  });
});

const DAMAGED: readonly (readonly [sin: string, tar: Buffer, message: RegExp])[] = [
  [
    'is cut off',
    archive([{ name: 'f', size: 1_000_000 }]),
    /^Cannot unpack the build context from standard input: Unexpected end/,
  ],
  [
    'has too long a name',
    archive([{ name: 'x', pax: { path: Buffer.from(`d/${'n'.repeat(300)}`) } }]),
    /^Cannot unpack "d\/n{78}…": found a name of 300 bytes, want at most 255$/,
  ],
];
for (const [sin, tar, message] of DAMAGED) {
  test(`an archive that ${sin} is named`, async (t) => {
    const builds = await TestBuilds.create(t);
    await assert.rejects(build(builds, '-', {}, { stdin: await once(tar) }), { message });
  });
}

test('what is neither archive nor Buildfile is refused', async (t) => {
  const builds = await TestBuilds.create(t);
  for (const [input, code] of [
    ['', 'TSB_CONTEXT'],
    ['a\0b', 'TSB_CONTEXT'],
    [gzipSync('no archive'), 'TSB_CONTEXT'],
  ] as const) {
    await assert.rejects(build(builds, '-', {}, { stdin: await once(input) }), { code });
  }
});

test('a build that waits for standard input can be interrupted', async (t) => {
  const builds = await TestBuilds.create(t);
  const stop = new AbortController();
  const stdin = (async function* () {
    yield Buffer.from('FROM');
    await new Promise(() => undefined);
  })();
  setTimeout(() => stop.abort(new Error('stopped')), 50);
  await assert.rejects(build(builds, '-', {}, { stdin, signal: stop.signal }), {
    code: 'TSB_INTERRUPTED',
  });
});

test('a Buildfile of a context from standard input is named by its path there', async (t) => {
  const builds = await TestBuilds.create(t);
  const files = [...FILES, { name: 'sub/Build', data: 'FROM scratch\nCOPY file /named\n' }];
  const tar = archive([...files, { name: 'sub/Build.dockerignore', data: 'dir' }]);
  const named = { buildfile: { name: './sub/Build' } };
  await build(builds, '-', named, { stdin: await once(tar) });
  assert.deepEqual(await builds.tree(), ['/named 640 0:0 "file"']);
  const missing = { buildfile: { name: 'none' } };
  await assert.rejects(build(builds, '-', missing, { stdin: await once(tar) }), {
    code: 'TSB_NO_BUILDFILE',
  });
  const text = { buildfile: { text: 'FROM scratch\nCOPY file /by-text\n', path: undefined } };
  await build(builds, '-', text, { stdin: await once(tar) });
  assert.deepEqual(await builds.tree(), ['/by-text 640 0:0 "file"']);
});

const HOSTILE: readonly (readonly [sin: string, entries: readonly ArchiveEntry[]])[] = [
  ['a path that leads out', [{ name: '../../sentinel', data: 'x' }]],
  ['a link to the host', [{ name: 'Dockerfile', typeflag: '2', linkname: '/etc/passwd' }]],
  [
    'a file through a link to the host',
    [
      { name: 'out', typeflag: '2', linkname: '/' },
      { name: 'out/sentinel', data: 'x' },
    ],
  ],
  ['a hard link to the host', [{ name: 'Dockerfile', typeflag: '1', linkname: '/etc/passwd' }]],
  ['a Buildfile that is a device', [{ name: 'Dockerfile', typeflag: '3' }]],
];
for (const [sin, entries] of HOSTILE) {
  test(`an archive with ${sin} stays inside`, async (t) => {
    const builds = await TestBuilds.create(t);
    writeFileSync(path.join(builds.dir, 'sentinel'), 'mine');
    const stdin = await once(archive(entries));
    await assert.rejects(build(builds, '-', {}, { stdin }), { name: 'UserError' });
  });
}

test('a context by http: an archive, or a Buildfile', async (t) => {
  const server = await FileServer.start(t);
  server.files.set('/c.tgz', gzipSync(archive(FILES)));
  server.files.set('/Buildfile', 'FROM scratch\nCOPY <<E /x\nE\n');
  const builds = await TestBuilds.create(t);
  const first = await build(builds, `${server.url}/c.tgz`);
  assert.deepEqual(await builds.tree(), TREE);
  const again = await build(builds, `${server.url}/c.tgz`);
  assert.equal(again.imageDigest, first.imageDigest);
  await build(builds, `${server.url}/Buildfile`);
  assert.deepEqual(await builds.tree(), ['/x 644 0:0 ""']);
  builds.files({ file: 'mine' });
  server.files.set('/b', 'FROM scratch\nCOPY file /\nRUM x\n');
  const sources: string[] = [];
  await assert.rejects(
    builds.build(
      '',
      { buildfile: { name: `${server.url}/b` } },
      { onBuildfile: ({ path: name = '' }) => sources.push(name) },
    ),
    ({ code, source }: UserError) => code === 'TSB_PARSE' && source?.file === `${server.url}/b`,
  );
  assert.deepEqual(sources, [`${server.url}/b`]);
});

async function gitContext(t: TestContext): Promise<{ server: GitServer; url: string }> {
  const server = await GitServer.start(t);
  server.repository('a.git').commit({
    Dockerfile: BUILDFILE,
    'sub/Dockerfile': 'FROM scratch\nCOPY . /sub/\n',
    'sub/inner': 'inner',
    'sub/.dockerignore': 'Dockerfile\n.*',
  });
  return { server, url: `${server.url}/a.git` };
}

test('a context in a git repository, its subdirectory, and with its .git', async (t) => {
  if (!requires(t, 'program:git')) return;
  const { url } = await gitContext(t);
  const builds = await TestBuilds.create(t);
  await build(builds, url);
  const names = (await builds.tree()).map((line) => line.split(' ')[0]);
  assert.deepEqual(names, [
    '/Dockerfile',
    '/sub',
    '/sub/.dockerignore',
    '/sub/Dockerfile',
    '/sub/inner',
  ]);
  await build(builds, `${url}#main:sub`);
  assert.deepEqual(await builds.tree(), ['/sub 755 0:0 dir', '/sub/inner 644 0:0 "inner"']);
  await build(builds, url, { buildfile: { name: 'sub/Dockerfile' } });
  assert.ok((await builds.tree()).includes('/sub/sub/inner 644 0:0 "inner"'));
  await build(builds, url, { buildArgs: { BUILDKIT_CONTEXT_KEEP_GIT_DIR: '1' } });
  assert.ok((await builds.tree()).some((line) => line.startsWith('/.git/HEAD')));
  await assert.rejects(build(builds, `${url}#main:none`), /Cannot use directory "none"/);
  await assert.rejects(build(builds, `${url}#main:Dockerfile`), /"Dockerfile" is no directory/);
});

test('an ignore file of the user comes in the place of those in the context', async (t) => {
  const builds = await TestBuilds.create(t);
  builds.files({ a: 'a', b: 'b', '.dockerignore': 'a' });
  const ignoreFile = path.join(builds.dir, 'ignore');
  writeFileSync(ignoreFile, 'b\n.*\n');
  await builds.build(BUILDFILE, { ignoreFile });
  assert.deepEqual(await builds.tree(), ['/a 644 0:0 "a"']);
  await build(builds, '-', { ignoreFile }, { stdin: await once(archive(FILES)) });
  assert.ok((await builds.tree()).includes('/ignored 644 0:0 "x"'));
  const gone = path.join(builds.dir, 'gone');
  await assert.rejects(builds.build(BUILDFILE, { ignoreFile: gone }), { code: 'TSB_CONTEXT' });
});
