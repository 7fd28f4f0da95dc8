import type { CacheKey } from '../../cache/key.js';
import { cacheKeyOf } from '../../cache/key.js';
import type { AddInstruction, CopyInstruction, CopySource } from '../../dockerfile/ast.js';
import { sourceOf } from '../../dockerfile/locate.js';
import { ImageTree } from '../../overlay/image-tree.js';
import type { TreeNode } from '../../overlay/image-tree.js';
import { findFileName } from '../../remote/http-url.js';
import type { Cleanup } from '../../util/cleanup.js';
import type { ByteName } from '../../util/byte-name.js';
import { byteNameOf } from '../../util/byte-name.js';
import { UserError } from '../../util/errors.js';
import type { Match } from '../copy-source.js';
import { ImageFiles } from '../image-files.js';
import type { RunningVertex } from '../progress.js';
import type { Session } from '../session.js';
import type { OnBytes } from './fetch-deps.js';
import { openLayers } from './fetched-layer.js';
import type { RemoteWord } from './remote-words.js';
import { findRemoteWord } from './remote-words.js';
import type { FetchedSource, SourceReport } from './sources.js';

/** A source of ADD that was fetched, ready to be copied. */
export interface RemoteFiles {
  readonly files: ImageFiles;
  readonly match: Match<TreeNode>;
  /** Whether an archive is unpacked. */
  readonly unpack: boolean;
}

/** The sources of an ADD that were fetched. */
export interface RemoteSources {
  readonly files: ReadonlyMap<CopySource, RemoteFiles>;
  readonly reports: readonly SourceReport[];
  /** What identifies them all, where nothing else is copied from anywhere; else undefined. */
  readonly key: CacheKey | undefined;
}

/** What BuildKit calls the file of a URL that names none. */
const UNNAMED = '__unnamed__';
const ROOT = '' as ByteName;

/** Fetches what the source words of an ADD name beyond the context. `cleanup` ends the copy. */
export async function fetchSources(
  session: Session,
  instruction: AddInstruction | CopyInstruction,
  { running, cleanup }: { running: RunningVertex; cleanup: Cleanup },
): Promise<RemoteSources> {
  const files = new Map<CopySource, RemoteFiles>();
  const reports: SourceReport[] = [];
  const keys: CacheKey[] = [];
  let hasPaths = false;
  for (const source of instruction.sources) {
    if (source.kind === 'inline') continue;
    const word = findRemoteWord(instruction, source.path);
    if (word === undefined) {
      hasPaths = true;
      continue;
    }
    warnOfNoGitDir(session, instruction, word);
    const name = nameOf(session, instruction, word);
    const fetched = await fetchWord(session, word, { name, running });
    const overlay = cleanup.use(openLayers(session.store, [fetched.layer]));
    files.set(source, remoteFiles(new ImageTree(overlay), instruction, { word, name }));
    reports.push(fetched.report);
    keys.push(fetched.key);
  }
  const isWhole = files.size > 0 && !hasPaths;
  return { files, reports, key: isWhole ? cacheKeyOf([['sources', keys]]) : undefined };
}

/** As with BuildKit: what is taken out of a repository is none. */
function warnOfNoGitDir(
  session: Session,
  instruction: AddInstruction | CopyInstruction,
  word: RemoteWord,
): void {
  if (word.kind !== 'git' || !word.keepGitDir || word.url.subdir === '') return;
  session.progress.warn({
    message: `keep-git-dir has no effect: the subdirectory "${word.url.subdir}" has no .git`,
    hint: 'Remove it, or ADD the whole repository',
    source: sourceOf(instruction, { text: '--keep-git-dir' }),
  });
}

async function fetchWord(
  session: Session,
  word: RemoteWord,
  { name, running }: { name: string; running: RunningVertex },
): Promise<FetchedSource> {
  const onBytes: OnBytes = (unit, bytes, total) => running.progress(unit, bytes, total);
  switch (word.kind) {
    case 'git':
      return await session.sources.git(word.url, { keepGitDir: word.keepGitDir, onBytes });
    case 'http':
      return await session.sources.http(word.target, { name, checksum: word.checksum, onBytes });
  }
}

function nameOf(
  session: Session,
  { destination, source }: AddInstruction | CopyInstruction,
  word: RemoteWord,
): string {
  if (word.kind === 'git') return '';
  const name = findFileName(word.target);
  if (name !== undefined) return name;
  if (/(^|\/)\.{0,2}$/.test(destination)) {
    const message = `"${word.target.shown}" names no file: its content is called ${UNNAMED}`;
    const hint = `Write the name behind the destination: ${destination.replace(/\/$/, '')}/NAME`;
    session.progress.warn({ message, hint, source });
  }
  return UNNAMED;
}

function remoteFiles(
  tree: ImageTree,
  instruction: AddInstruction | CopyInstruction,
  { word, name }: { word: RemoteWord; name: string },
): RemoteFiles {
  if (word.kind === 'git') {
    const files = new ImageFiles(tree, `git repository "${word.url.remote}"`);
    return { files, match: { path: ROOT, node: files.root }, unpack: false };
  }
  const files = new ImageFiles(tree, `"${word.target.shown}"`);
  const path = byteNameOf(name);
  const node = tree.child(tree.root, path);
  if (node === undefined) throw new UserError('TSB_STORE', `Cannot find "${name}" in its layer`);
  const unpack = instruction.kind === 'add' && (instruction.unpack ?? false);
  return { files, match: { path, node }, unpack };
}
