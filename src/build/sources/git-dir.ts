import { createReadStream, lstatSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import type { ImageTree, NodeMeta, TreeNode } from '../../overlay/image-tree.js';
import type { LocalCommit, Submodule } from '../../remote/git-files.js';
import type { GitContext } from '../../remote/git-process.js';
import { runGit } from '../../remote/git-process.js';
import type { ResolvedRef } from '../../remote/git-refs.js';
import { repositoryName } from '../../remote/git-refs.js';
import type { GitUrl } from '../../remote/git-url.js';
import { byteNameOf, displayName } from '../../util/byte-name.js';
import { UserError } from '../../util/errors.js';

/** What only this fetch needed, and what depends on when and where it was made. */
const LEFT_OUT = new Set(['hooks', 'logs', 'info', 'branches', 'description', 'FETCH_HEAD']);
const CHUNK_BYTES = 1024 * 1024;

/** How a repository's own directory is to be. */
export interface GitDirWish {
  readonly ref: ResolvedRef;
  /** Paths in the image's tree: of the files, and of the directory itself. */
  readonly worktree: string;
  readonly home: string;
  readonly modules: readonly Submodule[];
}

/** Turns the bare repository of a fetch into the one of a checkout, with nothing of this machine. */
export async function prepareGitDir(
  context: GitContext,
  at: LocalCommit,
  { ref, worktree, home, modules }: GitDirWish,
): Promise<void> {
  const { gitDir, commit, url } = at;
  const what = `read ${repositoryName(url)}`;
  const git = async (...args: string[]): Promise<void> => {
    await runGit(context, { args, gitDir, what });
  };
  rmSync(path.join(gitDir, 'refs/tsbuild'), { recursive: true, force: true });
  const { name, tag } = ref;
  if (name !== undefined && name !== 'HEAD') await git('update-ref', name, tag ?? commit);
  await git('update-ref', '--no-deref', 'HEAD', commit);
  // Unlike a checkout's, this index has no times and inodes: the same each time.
  await git('read-tree', commit);
  await git('config', 'core.bare', 'false');
  await git('config', 'remote.origin.url', url.remote);
  await git('config', 'remote.origin.fetch', '+refs/heads/*:refs/remotes/origin/*');
  if (home !== '.git') await git('config', 'core.worktree', path.relative(home, worktree));
  for (const module of modules) {
    await git('config', `submodule.${module.name}.active`, 'true');
    await git('config', `submodule.${module.name}.url`, module.url);
  }
}

/** Copies a prepared repository to `home` of the tree, and a submodule's `.git` file. */
export async function addGitDir(
  tree: ImageTree,
  gitDir: string,
  { prefix, home, timeSec }: { prefix: string; home: string; timeSec: number },
): Promise<void> {
  const meta = (mode: number): NodeMeta => ({
    mode,
    uid: 0,
    gid: 0,
    mtime: { sec: timeSec, nsec: 0 },
  });
  const copy = async (from: string, to: TreeNode): Promise<void> => {
    for (const name of readdirSync(from).sort()) {
      if (LEFT_OUT.has(name) && from === gitDir) continue;
      const file = path.join(from, name);
      const stat = lstatSync(file);
      if (stat.isDirectory()) await copy(file, makeDir(tree, to, name, meta(0o755)));
      if (!stat.isFile()) continue;
      const mode = (stat.mode & 0o200) === 0 ? 0o444 : 0o644;
      const content = createReadStream(file, { highWaterMark: CHUNK_BYTES });
      await tree.writeFile(to, byteNameOf(name), meta(mode), content);
    }
    tree.setMeta(to, meta(0o755));
  };
  await copy(gitDir, tree.mkdirs(byteNameOf(`/${home}`), meta(0o755)));
  if (prefix === '') return;
  const worktree = tree.mkdirs(byteNameOf(`/${prefix}`), meta(0o755));
  const pointer = Buffer.from(`gitdir: ${path.relative(prefix, home)}\n`);
  await tree.writeFile(worktree, byteNameOf('.git'), meta(0o644), pointer);
}

function makeDir(tree: ImageTree, parent: TreeNode, name: string, meta: NodeMeta): TreeNode {
  const byte = byteNameOf(name);
  return tree.child(parent, byte) ?? tree.makeNode(parent, byte, meta, { kind: 'dir' });
}

/**
 * A tree with a `.git` of its own could make git run what it likes in the image. git refuses to
 * check such a commit out; so is it refused here.
 */
export function assertNoGitDirs(tree: ImageTree, url: GitUrl): void {
  const visit = (dir: TreeNode, prefix: string): void => {
    for (const [name, node] of tree.children(dir)) {
      const shown = `${prefix}${displayName(name)}`;
      if (/^\.git$/i.test(name)) {
        const message = `Cannot use ${repositoryName(url)}: it has a file "${shown}", which git does not allow`;
        throw new UserError('TSB_BUILD', message);
      }
      if (node.isDir) visit(node, `${shown}/`);
    }
  };
  visit(tree.root, '');
}
