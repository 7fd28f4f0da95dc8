import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import test from 'node:test';
import { TestBuilds } from '../../testing/builds.js';
import { FileServer } from '../../testing/file-server.js';
import { GitServer } from '../../testing/git-server.js';
import { requires } from '../../testing/requires.js';
import { archive } from '../../testing/tar-archive.js';

test('ADD of a URL gives a file of root, 0600, named by the URL', async (t) => {
  const server = await FileServer.start(t);
  server.files.set('/dir/a%20b.txt', 'text');
  server.files.set('/', 'index');
  const builds = await TestBuilds.create(t);
  await builds.build(`FROM scratch
ADD ${server.url}/dir/a%20b.txt?query#fragment /to/
ADD --chown=1:2 --chmod=644 ${server.url}/dir/a%20b.txt /name
ADD ${server.url}/ /to/
ADD ${server.url}/dir/a%20b.txt ${server.url}/ /both/
`);
  assert.deepEqual(await builds.tree(), [
    '/both 755 0:0 dir',
    '/both/__unnamed__ 600 0:0 "index"',
    '/both/a b.txt 600 0:0 "text"',
    '/name 644 1:2 "text"',
    '/to 755 0:0 dir',
    '/to/__unnamed__ 600 0:0 "index"',
    '/to/a b.txt 600 0:0 "text"',
  ]);
});

test('ADD of a URL unpacks an archive only with --unpack', async (t) => {
  const server = await FileServer.start(t);
  server.files.set('/a.tar', archive([{ name: 'in', data: 'x', mode: 0o640 }]));
  const builds = await TestBuilds.create(t);
  const url = `${server.url}/a.tar`;
  await builds.build(`FROM scratch\nADD ${url} /packed/\nADD --unpack=true ${url} /un/\n`);
  const names = (await builds.tree()).map((line) => line.split(' ')[0]);
  assert.deepEqual(names, ['/packed', '/packed/a.tar', '/un', '/un/in']);
});

test('ADD of a URL is cached by content, and by checksum without network', async (t) => {
  const server = await FileServer.start(t);
  server.files.set('/a', 'one');
  const builds = await TestBuilds.create(t);
  const text = `FROM scratch\nADD ${server.url}/a /a\n`;
  assert.deepEqual(builds.outcomes(await builds.build(text)), ['the step was not built before']);
  assert.deepEqual(builds.outcomes(await builds.build(text)), ['cached']);
  server.files.set('/a', 'two');
  assert.deepEqual(builds.outcomes(await builds.build(text)), ['what is copied changed']);
  const digest = createHash('sha256').update('two').digest('hex');
  const pinned = `FROM scratch\nADD --checksum=sha256:${digest} ${server.url}/a /a\n`;
  const first = await builds.build(pinned);
  const asked = server.requests.length;
  server.files.clear();
  const again = await builds.build(pinned);
  assert.deepEqual(builds.outcomes(again), ['cached']);
  assert.equal(again.imageDigest, first.imageDigest);
  assert.equal(server.requests.length, asked);
  assert.deepEqual(again.steps[0]?.sources, [
    { kind: 'http', url: `${server.url}/a`, digest: `sha256:${digest}` },
  ]);
});

test('ADD of a git repository copies its files, and is cached by commit', async (t) => {
  if (!requires(t, 'program:git')) return;
  const server = await GitServer.start(t);
  const repository = server.repository('a.git');
  repository.commit({ 'src/main.c': 'main\n', 'doc/read.me': 'doc\n' });
  const builds = await TestBuilds.create(t);
  const text = `FROM scratch
ARG WHERE=main
ADD ${server.url}/a.git#$WHERE /all
ADD --chown=5 ${server.url}/a.git#main:src /src/
ADD --exclude=src --keep-git-dir ${server.url}/a.git /kept
`;
  await builds.build(`FROM scratch\nADD --keep-git-dir ${server.url}/a.git#main:src /src/\n`);
  const [warning] = builds.events.flatMap((event) =>
    event.kind === 'warning' ? [event.warning] : [],
  );
  assert.match(warning?.message ?? '', /the subdirectory "src" has no \.git$/);
  assert.deepEqual(warning?.source?.at, { line: 2, column: 5, length: 14 });
  const first = await builds.build(text);
  const tree = await builds.tree();
  assert.deepEqual(
    tree.filter((line) => !line.includes('/.git')),
    [
      '/all 755 0:0 dir',
      '/all/doc 755 0:0 dir',
      '/all/doc/read.me 644 0:0 "doc\\n"',
      '/all/src 755 0:0 dir',
      '/all/src/main.c 644 0:0 "main\\n"',
      '/kept 755 0:0 dir',
      '/kept/doc 755 0:0 dir',
      '/kept/doc/read.me 644 0:0 "doc\\n"',
      '/src 755 5:5 dir',
      '/src/main.c 644 5:5 "main\\n"',
    ],
  );
  assert.ok(tree.some((line) => line.startsWith('/kept/.git/HEAD ')));
  const again = await builds.build(text);
  assert.equal(again.imageDigest, first.imageDigest);
  assert.deepEqual(builds.outcomes(again), ['cached', 'cached', 'cached']);
  const commit = repository.commit({ 'src/main.c': 'changed\n' });
  const changed = await builds.build(text);
  assert.deepEqual(changed.steps[0]?.sources, [
    { kind: 'git', url: `${server.url}/a.git`, ref: 'refs/heads/main', commit },
  ]);
  assert.ok((await builds.tree()).includes('/src/main.c 644 5:5 "changed\\n"'));
  await builds.build(text, { noCache: true });
});

test('credentials of a URL are in no history, event or name', async (t) => {
  const server = await FileServer.start(t);
  server.files.set('/a', 'x');
  const builds = await TestBuilds.create(t);
  const { host } = new URL(server.url);
  const result = await builds.build(`FROM scratch\nADD http://user:s3cret@${host}/a /a\n`);
  const { config } = await builds.image();
  for (const seen of [result, config, builds.events]) {
    assert.doesNotMatch(JSON.stringify(seen), /s3cret/);
  }
});

const REFUSED: readonly (readonly [instruction: string, message: RegExp])[] = [
  ['ADD ftp://host/a /', /Cannot fetch "ftp:\/\/host\/a": scheme ftp, want http or https/],
  ['ADD file:///etc/passwd /', /scheme file/],
  ['ADD http://[ /', /it is not a URL/],
  ['COPY https://host/a /', /Cannot COPY "https:\/\/host\/a": it is a URL/],
  ['COPY git@host:a.git /', /it is a URL/],
  ['ADD --checksum=sha256:abc http://127.0.0.1:1/a /', /found 3 digits, want 64/],
  ['ADD --checksum=sha256:abc file /', /Cannot use --checksum with "file": want a URL/],
  ['ADD --checksum=xyz https://127.0.0.1:1/a.git /', /it is no commit/],
  ['ADD --checksum=abc http://h/a http://h/b /', /found 2 sources, want one/],
  ['ADD --keep-git-dir=false https://h/a.git?keep-git-dir=true /', /the URL says the opposite/],
  ['ADD https://h/a.git?branche=x /', /has "branche"/],
];
for (const [instruction, message] of REFUSED) {
  test(`${instruction} is refused`, async (t) => {
    const builds = await TestBuilds.create(t);
    builds.files({ file: 'x' });
    await assert.rejects(builds.build(`FROM scratch\n${instruction}\n`), (error: Error) => {
      assert.match(error.message, message);
      assert.deepEqual((error as Error & { source?: { startLine: number } }).source?.startLine, 2);
      return true;
    });
  });
}
