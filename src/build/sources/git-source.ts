import path from 'node:path';
import type { LayerId } from '../../layer/types.js';
import type { ImageTree } from '../../overlay/image-tree.js';
import { fetchCommit } from '../../remote/git-fetch.js';
import type { LocalCommit, Submodule } from '../../remote/git-files.js';
import { archiveCommit, commitTime, listSubmodules, refused } from '../../remote/git-files.js';
import type { GitAuthorization, GitContext } from '../../remote/git-process.js';
import type { ResolvedRef } from '../../remote/git-refs.js';
import { explainGit, repositoryName, resolveRef } from '../../remote/git-refs.js';
import type { GitUrl } from '../../remote/git-url.js';
import { findSubmoduleUrl } from '../../remote/git-url.js';
import { basicAuthorization } from '../../remote/http-url.js';
import type { WorkDir } from '../../store/work.js';
import { byteNameOf } from '../../util/byte-name.js';
import { UserError } from '../../util/errors.js';
import { addArchive } from '../add-archive.js';
import type { FetchDeps, OnBytes } from './fetch-deps.js';
import { findHeaderSecret } from './fetch-deps.js';
import { findSource, makeLayer, putSource, sourceKey } from './fetched-layer.js';
import { addGitDir, assertNoGitDirs, prepareGitDir } from './git-dir.js';

/** A repository's files at a commit, in a layer. */
export interface GitFiles {
  readonly layer: LayerId;
  readonly ref: ResolvedRef;
}

/** How a git source is wanted. */
export interface GitRequest {
  readonly url: GitUrl;
  readonly keepGitDir: boolean;
  readonly onBytes?: OnBytes | undefined;
}

/**
 * The files of a repository: all of them, owned by root, with the commit's time. The server is
 * asked which commit it is; that is fetched unless the store has it.
 */
export async function gitFiles(deps: FetchDeps, request: GitRequest): Promise<GitFiles> {
  const { url, keepGitDir } = request;
  const context = await gitContext(deps);
  const authorize = authorizer(deps, url);
  const ref = await resolveRef(context, url, await authorize(url));
  const key = sourceKey('git', [
    ['remote', url.remote],
    ['commit', ref.commit],
    ['submodules', url.submodules],
    ['mtime', url.mtime],
    ['git', keepGitDir ? [ref.name, ref.tag] : undefined],
  ]);
  const known = deps.noCache ? undefined : await findSource(deps.records, deps.store, key);
  if (known !== undefined) return { layer: known.layer, ref };
  using work = deps.store.work.create();
  const fetcher = new GitTree({ deps, context, authorize, request, work });
  const layer = await explained(url, () =>
    makeLayer(deps.store, (tree) => fetcher.write(tree, ref)),
  );
  await putSource(deps.records, key, { layer, facts: { commit: ref.commit } });
  return { layer, ref };
}

async function explained<T>(url: GitUrl, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw explainGit(error, url);
  }
}

async function gitContext({ env, ssh, limits, signal }: FetchDeps): Promise<GitContext> {
  return { env, ssh: await ssh(), limits, signal };
}

type Authorize = (url: GitUrl) => Promise<GitAuthorization | undefined>;

/** What git's own check-out of GitHub does: one token for all repositories there. */
const GITHUB = /^https:\/\/(?:www\.)?github\.com\//;

/**
 * Credentials by repository: those in the URL, else the secrets GIT_AUTH_HEADER.HOST,
 * GIT_AUTH_TOKEN.HOST, and, for the main repository's server alone, GIT_AUTH_HEADER and
 * GIT_AUTH_TOKEN. Never for a server that the user did not name.
 */
function authorizer(deps: FetchDeps, main: GitUrl): Authorize {
  const origin = ({ scheme, host }: GitUrl): string => `${scheme}://${host}`;
  return async (url) => {
    if (url.scheme !== 'http' && url.scheme !== 'https') return undefined;
    const scope = GITHUB.exec(url.remote)?.[0] ?? url.remote;
    if (url.credentials !== undefined) {
      return { scope, header: basicAuthorization(url.credentials) };
    }
    const isOwn = origin(url) === origin(main);
    if (isOwn && main.credentials !== undefined) {
      return { scope, header: basicAuthorization(main.credentials) };
    }
    const general = isOwn ? ['GIT_AUTH_HEADER', 'GIT_AUTH_TOKEN'] : [];
    const hostname = new URL(url.remote).hostname;
    const hosts = url.host === hostname ? [url.host] : [url.host, hostname];
    const ids = [
      ...hosts.flatMap((host) => [`GIT_AUTH_HEADER.${host}`, `GIT_AUTH_TOKEN.${host}`]),
      ...general,
    ];
    const secret = await findHeaderSecret(deps, ids);
    if (secret === undefined) return undefined;
    const header = secret.id.startsWith('GIT_AUTH_HEADER')
      ? secret.value
      : basicAuthorization({ user: 'x-access-token', password: secret.value });
    return { scope, header };
  };
}

/** Where a repository's files go, and its .git directory. */
interface Place {
  /** In the tree; empty: its root. */
  readonly prefix: string;
  readonly gitDir: string;
  readonly depth: number;
}

interface TreeParts {
  readonly deps: FetchDeps;
  readonly context: GitContext;
  readonly authorize: Authorize;
  readonly request: GitRequest;
  readonly work: WorkDir;
}

/** Writes a commit and its submodules into a tree. */
class GitTree {
  readonly #parts: TreeParts;
  readonly #gitDirs: (() => Promise<void>)[] = [];
  #repositories = 0;
  #bytes = 0;

  constructor(parts: TreeParts) {
    this.#parts = parts;
  }

  async write(tree: ImageTree, ref: ResolvedRef): Promise<void> {
    const { context, request, deps } = this.#parts;
    const at = await this.#fetch(request.url, ref);
    const isCheckout = request.url.mtime === 'checkout';
    const timeMs = isCheckout ? deps.nowMs() : 1000 * (await commitTime(context, at));
    await this.#add(tree, at, { place: { prefix: '', gitDir: '.git', depth: 0 }, ref, timeMs });
    assertNoGitDirs(tree, request.url);
    for (const add of this.#gitDirs) await add();
    tree.setMeta(tree.root, { mode: 0o755, mtime: { sec: Math.floor(timeMs / 1000), nsec: 0 } });
  }

  async #fetch(url: GitUrl, ref: ResolvedRef): Promise<LocalCommit> {
    const { context, authorize, work, request } = this.#parts;
    const gitDir = path.join(work.path, String(this.#repositories++));
    const authorization = await authorize(url);
    const onBytes = (bytes: number): void => request.onBytes?.('bytes', bytes);
    await fetchCommit(context, { url, ref, gitDir, authorization, onBytes });
    return { gitDir, commit: ref.commit, url };
  }

  async #add(
    tree: ImageTree,
    at: LocalCommit,
    { place, ref, timeMs }: { place: Place; ref: ResolvedRef; timeMs: number },
  ): Promise<void> {
    const { context, request, deps } = this.#parts;
    const { prefix } = place;
    await addArchive(
      { read: () => this.#measured(archiveCommit(context, at)) },
      {
        tree,
        destination: { path: `/${prefix}`, isDirectory: true, several: false },
        changes: { owner: { uid: 0, gid: 0 }, changeMode: undefined },
        nowMs: timeMs,
        signal: deps.signal,
      },
    );
    const modules = request.url.submodules ? await listSubmodules(context, at) : [];
    if (request.keepGitDir) {
      await prepareGitDir(context, at, { ref, worktree: prefix, home: place.gitDir, modules });
      const timeSec = Math.floor(timeMs / 1000);
      this.#gitDirs.push(() => addGitDir(tree, at.gitDir, { prefix, home: place.gitDir, timeSec }));
    }
    for (const module of modules) await this.#addModule(tree, at, { module, place, timeMs });
  }

  async #addModule(
    tree: ImageTree,
    parent: LocalCommit,
    { module, place, timeMs }: { module: Submodule; place: Place; timeMs: number },
  ): Promise<void> {
    const { limits } = this.#parts.deps;
    const url = findSubmoduleUrl(module.url, parent.url.remote);
    if (url === undefined) {
      throw refused(parent.url, module.name, `found URL "${module.url}", want https, ssh or git`);
    }
    const depth = place.depth + 1;
    if (depth > limits.gitSubmoduleDepthMax) {
      throw refused(parent.url, module.name, `it is ${depth} deep in other submodules`);
    }
    if (this.#repositories > limits.gitSubmodulesMax) {
      throw refused(parent.url, module.name, `there are more than ${limits.gitSubmodulesMax}`);
    }
    const ref = { name: undefined, commit: module.commit, tag: undefined };
    const at = await this.#fetch(url, ref);
    const prefix = place.prefix === '' ? module.path : `${place.prefix}/${module.path}`;
    const gitDir = `${place.gitDir}/modules/${module.name}`;
    await this.#add(tree, at, { place: { prefix, gitDir, depth }, ref, timeMs });
  }

  async *#measured(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    const { deps, request } = this.#parts;
    for await (const chunk of chunks) {
      this.#bytes += chunk.length;
      if (this.#bytes > deps.limits.gitFilesBytesMax) {
        const message = `Cannot use ${repositoryName(request.url)}: its files have more than ${deps.limits.gitFilesBytesMax} bytes`;
        throw new UserError('TSB_LIMIT', message);
      }
      request.onBytes?.('bytes', this.#bytes);
      yield chunk;
    }
  }
}

/** The path of a URL's subdirectory in the tree, or an error that names what is there. */
export function subdirOf(tree: ImageTree, url: GitUrl): ImageTree['root'] {
  let node = tree.root;
  if (url.subdir === '') return node;
  for (const part of url.subdir.split('/')) {
    const child = tree.child(node, byteNameOf(part));
    // Links are not followed: a repository must not choose what its subdirectory is.
    if (child?.isDir === true) {
      node = child;
      continue;
    }
    const found = child === undefined ? 'it has none' : `"${part}" is no directory there`;
    throw new UserError(
      'TSB_BUILD',
      `Cannot use directory "${url.subdir}" of ${repositoryName(url)}: ${found}`,
    );
  }
  return node;
}
