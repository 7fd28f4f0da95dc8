import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { hasCode, UserError } from '../util/errors.js';
import type { GitAuthorization, GitContext } from './git-process.js';
import { GitError, runGit } from './git-process.js';
import type { ResolvedRef } from './git-refs.js';
import { explainGit, repositoryName } from './git-refs.js';
import type { GitUrl } from './git-url.js';

/** Where the wanted commit is kept, so that nothing takes it for garbage. */
const OWN_REF = 'refs/tsbuild/fetched';

/** A commit to bring into a repository. */
export interface GitFetch {
  readonly url: GitUrl;
  readonly ref: ResolvedRef;
  readonly authorization: GitAuthorization | undefined;
  /** An empty directory. */
  readonly gitDir: string;
  /** Told from time to time how much has come. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
}

/**
 * Makes a bare repository in `gitDir` that has the commit and its files, without its history
 * where the server can do that. TSB_BUILD if the server does not have it.
 */
export async function fetchCommit(context: GitContext, fetch: GitFetch): Promise<void> {
  const { url, ref, gitDir } = fetch;
  const what = `fetch ${repositoryName(url)}`;
  const format = ref.commit.length === 64 ? ['--object-format=sha256'] : [];
  await runGit(context, {
    args: ['init', '--bare', '--quiet', '--template=', ...format, '--', gitDir],
    what,
  });
  neutraliseAttributes(gitDir);
  let last: unknown;
  for (const args of attempts(fetch)) {
    try {
      await fetchOnce(context, fetch, args);
    } catch (error) {
      if (!isRefusal(error)) throw explainGit(error, url);
      last = error;
      continue;
    }
    if (await hasCommit(context, fetch)) return;
  }
  const hint =
    ref.name === undefined
      ? 'Check the commit: the server has it on no branch and no tag'
      : 'The ref has moved while it was fetched: build again';
  throw new UserError('TSB_BUILD', `Cannot ${what}: it has no commit ${ref.commit}`, {
    hint,
    cause: last,
  });
}

/** What the archive command must not leave out or replace: a checkout would not. */
function neutraliseAttributes(gitDir: string): void {
  mkdirSync(path.join(gitDir, 'info'), { recursive: true });
  writeFileSync(path.join(gitDir, 'info/attributes'), '* -export-ignore -export-subst\n');
}

/** Ways to ask for the commit, the cheapest first; old or simple servers refuse some. */
function attempts({ ref: { commit, name, tag } }: GitFetch): string[][] {
  const own = `:${OWN_REF}`;
  const byName = name === undefined ? [] : [`+${name}:${OWN_REF}`];
  const all = ['+refs/heads/*:refs/tsbuild/heads/*', '+refs/tags/*:refs/tsbuild/tags/*'];
  return [
    ['--depth=1', '--', `+${tag ?? commit}${own}`],
    ...byName.map((refspec) => ['--depth=1', '--', refspec]),
    ...byName.map((refspec) => ['--', refspec]),
    ['--', ...all, ...byName],
  ];
}

async function fetchOnce(
  context: GitContext,
  { url, authorization, gitDir, onBytes }: GitFetch,
  args: readonly string[],
): Promise<void> {
  const at = args.indexOf('--') + 1;
  const options = ['--no-tags', '--no-recurse-submodules', '--no-write-fetch-head', '--progress'];
  await runGit(context, {
    args: ['fetch', ...options, ...args.slice(0, at), url.remote, ...args.slice(at)],
    gitDir,
    authorization,
    what: `fetch ${repositoryName(url)}`,
    check: () => {
      const bytes = directoryBytes(path.join(gitDir, 'objects/pack'));
      assertPackSize(context, url, bytes);
      onBytes?.(bytes);
    },
  });
}

/** Whether the server refused the way of asking, so that another one may do. */
function isRefusal(error: unknown): boolean {
  return (
    error instanceof GitError &&
    /not our ref|unadvertised object|does not allow request|shallow|--depth|couldn't find remote ref|no such remote ref/i.test(
      error.stderr,
    )
  );
}

async function hasCommit(
  context: GitContext,
  { ref, gitDir, url }: Omit<GitFetch, 'authorization'>,
): Promise<boolean> {
  try {
    const what = `read ${repositoryName(url)}`;
    await runGit(context, { args: ['cat-file', '-e', `${ref.commit}^{commit}`], gitDir, what });
    return true;
  } catch (error) {
    if (error instanceof GitError) return false;
    throw error;
  }
}

/** git itself has no limit to what it takes. */
function assertPackSize({ limits }: GitContext, url: GitUrl, bytes: number): void {
  const max = limits.gitRepositoryBytesMax;
  if (bytes <= max) return;
  const message = `Cannot fetch ${repositoryName(url)}: it sent more than ${max} bytes`;
  throw new UserError('TSB_LIMIT', message);
}

function directoryBytes(dir: string): number {
  try {
    return readdirSync(dir).reduce((sum, name) => {
      const stat = statSync(path.join(dir, name), { throwIfNoEntry: false });
      return sum + (stat?.size ?? 0);
    }, 0);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return 0;
    throw error;
  }
}
