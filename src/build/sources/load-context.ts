import { statSync } from 'node:fs';
import path from 'node:path';
import { parseIgnore } from '../../dockerfile/ignore.js';
import type { IgnoreMatcher } from '../../dockerfile/ignore.js';
import type { LayerId } from '../../layer/types.js';
import { ImageTree } from '../../overlay/image-tree.js';
import type { TreeNode } from '../../overlay/image-tree.js';
import type { ContextWord } from '../../remote/context-word.js';
import { parseContextWord } from '../../remote/context-word.js';
import { findScheme, parseHttpUrl } from '../../remote/http-url.js';
import type { Cleanup } from '../../util/cleanup.js';
import { byteNameOf } from '../../util/byte-name.js';
import { hasCode, UserError } from '../../util/errors.js';
import { redactUrls } from '../../util/redact.js';
import type { ContextSource } from '../context.js';
import { DirectoryContext, findIgnore, IGNORE_NAMES, readIgnore } from '../context.js';
import type { BuildfileInput, BuildOptions } from '../options.js';
import type { RunningVertex } from '../progress.js';
import { DEFAULT_NAMES, noBuildfile, readBuildfile } from '../read-buildfile.js';
import { kindOfMode } from '../tree-nodes.js';
import type { SpooledFile } from './archive-source.js';
import { archiveLayer, spool, spooledNode, textOf } from './archive-source.js';
import { openLayers } from './fetched-layer.js';
import { LayerContext } from './layer-files.js';
import type { FetchedSource, SourceReport, Sources } from './sources.js';

/** A build's context and Buildfile, read. */
export interface LoadedContext {
  /** What the context is called: an absolute path, a URL without credentials, or `-`. */
  readonly name: string;
  readonly buildfile: BuildfileInput;
  readonly files: ContextSource;
  /** What was fetched for it, if anything. */
  readonly source?: SourceReport;
}

/** What is asked for. */
export type ContextWish = Pick<BuildOptions, 'context' | 'buildfile' | 'ignoreFile' | 'buildArgs'>;

interface LoadDeps {
  readonly sources: Sources;
  readonly stdin: AsyncIterable<Buffer> | undefined;
  /** Ends the use of the files. */
  readonly cleanup: Cleanup;
}

/** The name that BuildKit gives the one file of an http context. */
const HTTP_NAME = 'context';
/** What positions call a Buildfile from standard input. */
const STDIN_NAME = '-';
const KEEP_GIT_DIR = 'BUILDKIT_CONTEXT_KEEP_GIT_DIR';

/**
 * Brings the context here, unless it is a directory, and reads the Buildfile. Throws UserError
 * TSB_CONTEXT, TSB_NO_BUILDFILE, and as fetching does.
 */
export async function loadContext(wish: ContextWish, deps: LoadDeps): Promise<LoadedContext> {
  const word = parseContextWord(wish.context, isDirectory);
  if (word.kind === 'directory') return await loadDirectory(word.path, wish, deps);
  const name = redactUrls(wish.context);
  const { progress } = deps.sources.deps;
  const shown = word.kind === 'stdin' ? 'from standard input' : name;
  const vertex = progress.add({ kind: 'context', name: `load build context ${shown}` });
  return await progress.run(vertex, async (running) => {
    const fetched = await fetchContext(word, wish, { ...deps, running });
    const { layers } = fetched;
    const buildfile = await buildfileOf(wish, deps, { ...fetched, name });
    const ignore =
      wish.ignoreFile === undefined
        ? findLayerIgnore(deps, layers, wish)
        : readIgnore(wish.ignoreFile);
    const { store } = deps.sources.deps;
    const whyEmpty = layers.length === 0 ? noContextHint(word.kind) : undefined;
    const files = deps.cleanup.use(new LayerContext(store, { layers, ignore, whyEmpty }));
    const { source } = fetched;
    return { name, buildfile, files, ...(source !== undefined && { source }) };
  });
}

function noContextHint(kind: ContextWord['kind']): string {
  const [file, what] = kind === 'stdin' ? ['-', 'standard input'] : ['URL', 'the URL'];
  return `There is no build context: ${what} is the Buildfile. Give both with -f ${file} DIRECTORY`;
}

async function loadDirectory(
  given: string,
  wish: ContextWish,
  { sources, cleanup }: LoadDeps,
): Promise<LoadedContext> {
  const directory = path.resolve(given);
  const buildfile =
    'text' in wish.buildfile
      ? wish.buildfile
      : await readNamed(sources, wish.buildfile.name, directory);
  const { path: file } = buildfile;
  const ignore =
    wish.ignoreFile === undefined
      ? findIgnore(directory, findUrl(file) === undefined ? file : undefined)
      : readIgnore(wish.ignoreFile);
  const { records } = sources.deps;
  const files = cleanup.use(new DirectoryContext(directory, { records, ignore }));
  return { name: directory, buildfile, files };
}

async function readNamed(
  sources: Sources,
  name: string | undefined,
  directory: string,
): Promise<BuildfileInput> {
  const url = findUrl(name);
  return url === undefined ? readBuildfile(name, directory) : await fetchBuildfile(sources, url);
}

/** What came for a context: layers of its files, or the text of a Buildfile without any. */
interface FetchedContext {
  readonly layers: readonly LayerId[];
  readonly text: string | undefined;
  readonly source?: SourceReport;
}

async function fetchContext(
  word: Exclude<ContextWord, { kind: 'directory' }>,
  wish: ContextWish,
  { sources, stdin, running }: LoadDeps & { running: RunningVertex },
): Promise<FetchedContext> {
  const { deps } = sources;
  const onBytes: RunningVertex['progress'] = (...args) => running.progress(...args);
  switch (word.kind) {
    case 'git': {
      const asked = /^(?:1|t|true)$/i.test(wish.buildArgs[KEEP_GIT_DIR] ?? '');
      const keepGitDir = word.url.keepGitDir ?? asked;
      const { layer, report } = await sources.git(word.url, { keepGitDir, onBytes });
      return { layers: [layer], text: undefined, source: report };
    }
    case 'http': {
      const fetched = await sources.http(word.target, { name: HTTP_NAME, onBytes });
      const context = await inLayer(sources, fetched, (file) =>
        asContext(sources, file, `"${word.target.shown}"`),
      );
      return { ...context, source: fetched.report };
    }
    case 'stdin': {
      if (stdin === undefined) {
        throw new UserError('TSB_CONTEXT', 'Cannot read the build context: no standard input');
      }
      using work = deps.store.work.create();
      const file = await spool(deps, stdin, { file: path.join(work.path, 'stdin'), onBytes });
      return await asContext(sources, file, 'standard input');
    }
  }
}

/** An archive is a context, a text a Buildfile without one, as with docker. */
async function asContext(
  { deps }: Sources,
  file: SpooledFile,
  what: string,
): Promise<FetchedContext> {
  if (file.isArchive) {
    const layer = await archiveLayer(deps, file, `the build context from ${what}`);
    return { layers: [layer], text: undefined };
  }
  if (file.size === 0) throw new UserError('TSB_CONTEXT', `Cannot read ${what}: it is empty`);
  return { layers: [], text: await textOf(deps, file, what) };
}

async function inLayer<T>(
  { deps }: Sources,
  { layer }: FetchedSource,
  work: (file: SpooledFile) => Promise<T>,
): Promise<T> {
  using overlay = openLayers(deps.store, [layer]);
  const tree = new ImageTree(overlay);
  const node = tree.child(tree.root, byteNameOf(HTTP_NAME));
  if (node === undefined) throw new UserError('TSB_STORE', 'Cannot read a downloaded file');
  return await work(await spooledNode(tree, node));
}

async function buildfileOf(
  { buildfile }: ContextWish,
  { sources }: LoadDeps,
  from: FetchedContext & { readonly name: string },
): Promise<BuildfileInput> {
  if (from.text !== undefined) {
    if ('text' in buildfile || buildfile.name !== undefined) {
      throw new UserError('TSB_USAGE', `Cannot use -f: the context "${from.name}" is a Buildfile`, {
        hint: 'Remove -f, or give an archive as the context',
      });
    }
    return { text: from.text, path: from.name === STDIN_NAME ? undefined : from.name };
  }
  if ('text' in buildfile) return buildfile;
  const url = findUrl(buildfile.name);
  if (url !== undefined) return await fetchBuildfile(sources, url);
  const names = buildfile.name === undefined ? DEFAULT_NAMES : [buildfile.name];
  for (const name of names) {
    const text = findText(sources, from.layers, name);
    if (text !== undefined) return { text, path: name };
  }
  if (buildfile.name === undefined) throw noBuildfile(from.name);
  throw new UserError(
    'TSB_NO_BUILDFILE',
    `Cannot read "${buildfile.name}": it is not in the context "${from.name}"`,
    { hint: 'Name it by its path in the context' },
  );
}

/** The first ignore file of a context that there is, that of the Buildfile first. */
function findLayerIgnore(
  { sources }: LoadDeps,
  layers: readonly LayerId[],
  { buildfile }: ContextWish,
): IgnoreMatcher | undefined {
  const own = 'text' in buildfile || findUrl(buildfile.name) !== undefined ? [] : DEFAULT_NAMES;
  const named = 'name' in buildfile && own.length > 0 ? buildfile.name : undefined;
  const buildfiles = named === undefined ? own : [named];
  const found = buildfiles.find((name) => findText(sources, layers, name) !== undefined);
  const names = [...(found === undefined ? [] : [`${found}.dockerignore`]), ...IGNORE_NAMES];
  for (const name of names) {
    const text = findText(sources, layers, name);
    if (text !== undefined) return parseIgnore(text, name);
  }
  return undefined;
}

/** The text of a file of layers; links lead nowhere but below their root. */
function findText({ deps }: Sources, layers: readonly LayerId[], name: string): string | undefined {
  if (layers.length === 0) return undefined;
  using overlay = openLayers(deps.store, layers);
  const tree = new ImageTree(overlay);
  const node = findNode(tree, name);
  if (node === undefined) return undefined;
  if (kindOfMode(node.mode) !== 'file') {
    throw new UserError('TSB_CONTEXT', `Cannot read "${name}": it is not a regular file`);
  }
  return tree.readAll(node, deps.limits.textBytesMax).toString('utf8');
}

function findNode(tree: ImageTree, name: string): TreeNode | undefined {
  try {
    return tree.resolve(byteNameOf(`/${name}`), { followLast: true });
  } catch (error) {
    if (hasCode(error, 'ENOTDIR', 'ELOOP')) return undefined;
    throw error;
  }
}

async function fetchBuildfile(sources: Sources, text: string): Promise<BuildfileInput> {
  const target = parseHttpUrl(text);
  const fetched = await sources.http(target, { name: HTTP_NAME });
  return await inLayer(sources, fetched, async (file) => ({
    text: await textOf(sources.deps, file, `"${target.shown}"`),
    path: target.shown,
  }));
}

/** The name, if it is an http URL. */
function findUrl(name: string | undefined): string | undefined {
  const scheme = name === undefined ? undefined : findScheme(name);
  return scheme === 'http' || scheme === 'https' ? name : undefined;
}

function isDirectory(file: string): boolean {
  // Node throws for a name that no file can have.
  if (file.includes('\0')) return false;
  return statSync(file, { throwIfNoEntry: false })?.isDirectory() === true;
}
