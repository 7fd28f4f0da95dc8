import { UserError } from '../util/errors.js';
import type { GitContext } from './git-process.js';
import { GitError, runGit, streamGit } from './git-process.js';
import { repositoryName } from './git-refs.js';
import type { GitUrl } from './git-url.js';

/** A commit in a repository on this machine. */
export interface LocalCommit {
  readonly gitDir: string;
  readonly commit: string;
  readonly url: GitUrl;
}

/** A submodule of a commit. */
export interface Submodule {
  readonly name: string;
  readonly path: string;
  /** As in .gitmodules: may be relative, or hostile. */
  readonly url: string;
  readonly commit: string;
}

/** The files of a commit as a tar stream, with the commit's time; submodules are directories. */
export function archiveCommit(
  context: GitContext,
  { gitDir, commit, url }: LocalCommit,
): AsyncGenerator<Buffer, void, undefined> {
  const what = `read ${repositoryName(url)}`;
  return streamGit(context, { args: ['archive', '--format=tar', commit], gitDir, what });
}

/** The committer's time; seconds since 1970. */
export async function commitTime(context: GitContext, at: LocalCommit): Promise<number> {
  const what = `read ${repositoryName(at.url)}`;
  const args = ['log', '-1', '--no-show-signature', '--format=%ct', at.commit];
  const text = (await runGit(context, { args, gitDir: at.gitDir, what })).toString('utf8').trim();
  const seconds = Number(text);
  if (/^\d{1,12}$/.test(text) && Number.isSafeInteger(seconds)) return seconds;
  throw new UserError('TSB_BUILD', `Cannot ${what}: its commit has the time "${text}"`);
}

/** The submodules that a commit has files of; the ones set to `update = none` are left out. */
export async function listSubmodules(
  context: GitContext,
  at: LocalCommit,
): Promise<readonly Submodule[]> {
  const what = `read ${repositoryName(at.url)}`;
  const git = (...args: string[]): Promise<Buffer> =>
    runGit(context, { args, gitDir: at.gitDir, what });
  const modules = treeEntry(await git('ls-tree', '-z', at.commit, '--', '.gitmodules'));
  // A symbolic link there is not followed by git either.
  if (modules?.type !== 'blob' || modules.mode === '120000') return [];
  const settings = await readModules(git, modules.id, at);
  const submodules: Submodule[] = [];
  for (const [name, { path, url, update }] of settings) {
    if (path === undefined || path === '' || update === 'none') continue;
    const entry = treeEntry(await git('ls-tree', '-z', at.commit, '--', path));
    if (entry?.mode !== '160000') continue;
    if (url === undefined) throw refused(at.url, name, 'it has no URL');
    if (update !== undefined && !/^(?:checkout|rebase|merge)$/.test(update)) {
      throw refused(at.url, name, `its update is "${update}"`);
    }
    assertModuleName(at.url, name);
    submodules.push({ name, path, url, commit: entry.id });
    if (submodules.length > context.limits.gitSubmodulesMax) {
      throw new UserError('TSB_LIMIT', `Cannot ${what}: it has too many submodules`);
    }
  }
  return submodules;
}

/** The error for a submodule that is not fetched. */
export function refused(url: GitUrl, name: string, found: string): UserError {
  const message = `Cannot fetch submodule "${name}" of ${repositoryName(url)}: ${found}`;
  const hint = 'To do without submodules, add ?submodules=false to the URL';
  return new UserError('TSB_BUILD', message, { hint });
}

interface ModuleSettings {
  path?: string;
  url?: string;
  update?: string;
}

async function readModules(
  git: (...args: string[]) => Promise<Buffer>,
  blob: string,
  { url }: LocalCommit,
): Promise<Map<string, ModuleSettings>> {
  const settings = new Map<string, ModuleSettings>();
  let output: string;
  try {
    output = (await git('config', '--blob', blob, '--list', '-z')).toString('utf8');
  } catch (error) {
    if (!(error instanceof GitError)) throw error;
    throw new UserError('TSB_BUILD', `Cannot read .gitmodules of ${repositoryName(url)}`, {
      cause: error,
    });
  }
  for (const setting of output.split('\0')) {
    const newline = setting.indexOf('\n');
    const [, name, key] = /^submodule\.(.*)\.(path|url|update)$/s.exec(
      newline < 0 ? setting : setting.slice(0, newline),
    ) ?? [undefined, undefined, undefined];
    if (name === undefined || key === undefined || newline < 0) continue;
    const known = settings.get(name) ?? {};
    // The first one counts for git's own check; a second one is of no honest file.
    known[key as keyof ModuleSettings] ??= setting.slice(newline + 1);
    settings.set(name, known);
  }
  return settings;
}

function treeEntry(output: Buffer): { mode: string; type: string; id: string } | undefined {
  const [, mode, type, id] = /^(\d+) (\w+) ([0-9a-f]+)\t/.exec(output.toString('latin1')) ?? [];
  return mode === undefined || type === undefined || id === undefined
    ? undefined
    : { mode, type, id };
}

/** The name becomes a directory of .git/modules. */
function assertModuleName(url: GitUrl, name: string): void {
  const parts = name.split('/');
  const bad = parts.some((part) => part === '' || part === '..' || part === '.');
  if (bad || name.includes('\\')) throw refused(url, name, 'its name is not a path');
}
