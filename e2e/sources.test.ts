import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { after, before, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { FileServer } from '../src/testing/file-server.js';
import { GitServer } from '../src/testing/git-server.js';
import { findProcesses, waitFor } from '../src/testing/processes.js';
import { requires } from '../src/testing/requires.js';
import { archive } from '../src/testing/tar-archive.js';
import type { TsbuildResult } from '../src/testing/tsbuild.js';
import { startTsbuild, tsbuild } from '../src/testing/tsbuild.js';
import { ensureTestUser } from '../src/testing/user.js';

/** What comes from elsewhere: ADD of URLs, contexts, named contexts; loopback servers only. */
const NEEDS = ['root', 'program:git', 'program:newuidmap'] as const;
const GONE_MS = 2000;

interface Metadata {
  readonly steps: readonly { readonly cached: boolean; readonly sources?: readonly object[] }[];
}

/** The digests of each user's images, by test: the same for root and an ordinary user. */
const digests = new Map<string, string>();

for (const who of ['root', 'an ordinary user'] as const) {
  describe(`sources as ${who}`, () => {
    const dir = mkdtempSync(join(tmpdir(), 'tsbuild-sources-'));
    const root = join(dir, 'store');
    const cleanups: (() => void)[] = [];
    const ending = { after: (undo: () => void) => cleanups.push(undo) };
    let user: string | undefined;
    let git: GitServer;
    let http: FileServer;
    let commit = '';

    before(async () => {
      git = await GitServer.start(ending);
      http = await FileServer.start(ending);
      chmodSync(dir, 0o755);
      if (process.getuid?.() !== 0) return;
      if (who !== 'root') {
        user = ensureTestUser().name;
        execFileSync('chown', [user, dir]);
      }
      const repository = git.repository('code.git');
      const library = git.repository('library.git');
      const inside = library.commit({ 'lib.h': 'lib\n' });
      repository.commit({
        Buildfile: 'FROM scratch\nCOPY . /all/\n',
        '.dockerignore': '.*\n',
        'sub/Buildfile': 'FROM scratch\nCOPY file /sub\n',
        'sub/file': 'file\n',
        '.gitmodules': '[submodule "library"]\npath = library\nurl = ../library.git\n',
      });
      repository.git('update-index', '--add', '--cacheinfo', `160000,${inside},library`);
      repository.git('commit', '-m', 'library');
      commit = repository.git('rev-parse', 'HEAD');
    });
    after(() => {
      for (const undo of cleanups) undo();
      rmSync(dir, { recursive: true, force: true });
    });

    /** What does not depend on who builds is tested once. */
    const isRoot = (t: TestContext): boolean => {
      if (who !== 'root') t.diagnostic('tested as root');
      return who === 'root';
    };
    const options = (): { root: string; user?: string; env: Record<string, string> } => ({
      root,
      env: { SOURCE_DATE_EPOCH: '1700000000', HOME: dir },
      ...(user !== undefined && { user }),
    });
    const build = (args: readonly string[], input?: string | Buffer): Promise<TsbuildResult> =>
      tsbuild(['build', '--progress', 'plain', ...args], { ...options(), ...(input && { input }) });
    const buildOk = async (args: readonly string[], input?: string | Buffer): Promise<void> => {
      const result = await build(args, input);
      assert.equal(result.exitCode, 0, result.stderr);
    };
    const metadataFile = join(dir, 'metadata.json');
    /** Builds, and returns the names of the files of the image; root and others get the same. */
    const filesOf = async (args: readonly string[], input?: string | Buffer): Promise<string[]> => {
      const out = join(dir, 'out.tar');
      const words = ['-o', `type=tar,dest=${out}`, '--metadata-file', metadataFile, ...args];
      await buildOk(words, input);
      const listing = execFileSync('tar', ['--full-time', '-tvf', out], { encoding: 'utf8' });
      const key = `${input?.length ?? 0} ${args.at(-1)?.replace(/:\d+/, '').replace(dir, '') ?? ''}`;
      const hash = createHash('sha256').update(listing).digest('hex');
      assert.equal(digests.get(key) ?? hash, hash, 'the same for root and an ordinary user');
      digests.set(key, hash);
      return execFileSync('tar', ['-tf', out], { encoding: 'utf8' })
        .trim()
        .split('\n')
        .filter((name) => name !== './')
        .sort();
    };
    const metadata = (): Metadata => JSON.parse(readFileSync(metadataFile, 'utf8')) as Metadata;

    test('a context is a git repository, with its submodule', async (t) => {
      if (!requires(t, ...NEEDS)) return;
      assert.deepEqual(await filesOf([`${git.url}/code.git#main`]), [
        ...['all/', 'all/Buildfile', 'all/library/', 'all/library/lib.h'],
        ...['all/sub/', 'all/sub/Buildfile', 'all/sub/file'],
      ]);
      const asked = git.requests.length;
      await filesOf([`${git.url}/code.git#main`]);
      assert.deepEqual(
        metadata().steps.map(({ cached }) => cached),
        [true],
      );
      const fetched = git.requests.slice(asked).filter((each) => each.startsWith('POST'));
      assert.equal(fetched.length, 1, 'refs were listed, and nothing was fetched');
      assert.deepEqual(await filesOf([`${git.url}/code.git#main:sub`]), ['sub']);
    });

    test('ADD takes git repositories and files', async (t) => {
      if (!requires(t, ...NEEDS)) return;
      http.files.set('/tool', 'tool\n');
      const digest = createHash('sha256').update('tool\n').digest('hex');
      const text = `FROM scratch
ADD --checksum=${commit.slice(0, 12)} ${git.url}/code.git?submodules=false#main:sub /code/
ADD --chmod=755 --checksum=sha256:${digest} ${http.url}/tool /bin/
`;
      const args = ['-f', '-', dir];
      assert.deepEqual(await filesOf(args, text), [
        ...['bin/', 'bin/tool', 'code/', 'code/Buildfile', 'code/file'],
      ]);
      assert.deepEqual(
        metadata().steps.map(({ sources }) => sources),
        [
          [{ kind: 'git', url: `${git.url}/code.git`, ref: 'refs/heads/main', commit }],
          [{ kind: 'http', url: `${http.url}/tool`, digest: `sha256:${digest}` }],
        ],
      );
    });

    test('a context is a tar by standard input or http, or a Buildfile', async (t) => {
      if (!requires(t, ...NEEDS)) return;
      const tar = archive([
        { name: './', typeflag: '5', mode: 0o755 },
        { name: './Buildfile', data: 'FROM scratch\nCOPY a* /\n' },
        { name: './other', data: 'FROM scratch\nCOPY a /other\n' },
        { name: './a', data: 'a', uid: 5, mtime: 1 },
      ]);
      assert.deepEqual(await filesOf(['-f', 'other', '-'], gzipSync(tar)), ['other']);
      assert.deepEqual(await filesOf(['-'], 'FROM scratch\nCOPY <<E /c\nE\n'), ['c']);
      http.files.set('/context.tgz', gzipSync(tar));
      assert.deepEqual(await filesOf([`${http.url}/context.tgz`]), ['a']);
    });

    test('an error shows the line, wherever the Buildfile is from', async (t) => {
      if (!isRoot(t) || !requires(t, ...NEEDS)) return;
      http.files.set('/broken', 'FROM scratch\nCOPI a b\n');
      const { exitCode, stderr } = await build(['-f', `${http.url}/broken`, dir]);
      assert.equal(exitCode, 1);
      assert.match(stderr, /\/broken:2/);
      assert.match(stderr, />>> COPI a b/);
      const both = await build(['-f', '-', '-'], 'FROM scratch\n');
      assert.equal(both.exitCode, 2);
    });

    test('a token opens a private repository and is nowhere afterwards', async (t) => {
      if (!isRoot(t) || !requires(t, ...NEEDS)) return;
      git.requireAuthorization('x-access-token:t0ken-of-mine');
      const context = `${git.url}/code.git#main:sub`;
      const args = ['-t', 'private', '--no-cache', '--log-level', 'debug', context];
      const refused = await build(args);
      assert.equal(refused.exitCode, 1);
      assert.match(refused.stderr, /GIT_AUTH_TOKEN/);
      const secret = join(dir, 'token');
      writeFileSync(secret, 't0ken-of-mine\n');
      const allowed = await build(['--secret', `id=GIT_AUTH_TOKEN,src=${secret}`, ...args]);
      assert.equal(allowed.exitCode, 0, allowed.stderr);
      git.intercept = () => false;
      const search = 'grep -rlF t0ken-of-mine "$1" || true';
      assert.equal(execFileSync('sh', ['-c', search, 'sh', root]).toString(), '');
      assert.doesNotMatch(allowed.stderr, /t0ken-of-mine/);
    });

    test('named contexts stand in for images, stages and mounts', async (t) => {
      if (!requires(t, ...NEEDS, 'fuse', 'program:busybox')) return;
      const tools = join(dir, 'tools');
      mkdirSync(tools);
      execFileSync('cp', ['/bin/busybox', tools]);
      writeFileSync(join(tools, 'data'), 'data\n');
      const text = `FROM tools AS base
RUN --mount=type=bind,from=code,target=/mnt ["/busybox", "cp", "/mnt/file", "/copied"]
RUN --mount=type=bind,from=tools,source=data,target=/in ["/busybox", "cp", "/in", "/again"]
FROM scratch AS replaced
COPY none /
FROM scratch
COPY --from=base /copied /again /
COPY --from=replaced data /replaced
`;
      const contexts = [
        ...[`tools=${tools}`, `replaced=${tools}`, `code=${git.url}/code.git#main:sub`],
      ];
      const args = contexts.flatMap((each) => ['--build-context', each]);
      const files = await filesOf(['-f', '-', ...args, dir], text);
      assert.deepEqual(files, ['again', 'copied', 'replaced']);
    });

    test('an interrupted fetch leaves no process and no work directory', async (t) => {
      if (!isRoot(t) || !requires(t, ...NEEDS)) return;
      git.intercept = () => true;
      const url = `${git.url}/hang-${who.slice(0, 2)}.git`;
      const running = startTsbuild(['build', url], options());
      await waitFor('git', () => (findProcesses(url).length > 1 ? true : undefined), GONE_MS * 5);
      running.child.kill('SIGINT');
      const { exitCode } = await running.done;
      assert.equal(exitCode, 130);
      await waitFor(
        'no process',
        () => (findProcesses(url).length === 0 ? true : undefined),
        GONE_MS,
      );
      git.intercept = () => false;
      const work = join(root, 'work');
      assert.deepEqual(existsSync(work) ? readdirSync(work) : [], []);
    });
  });
}
