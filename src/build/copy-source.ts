import type { ImageTree, TreeNode } from '../overlay/image-tree.js';
import type { InodeMeta } from '../layer/types.js';
import type { ByteName } from '../util/byte-name.js';
import { byteNameOf, displayName } from '../util/byte-name.js';
import type { GoMatcher } from '../dockerfile/go-match.js';
import { compileGoMatch, hasWildcard, unescapePattern } from '../dockerfile/go-match.js';
import { UserError } from '../util/errors.js';
import { suggest } from '../util/suggest.js';

/** What is known of something that can be copied, without reading its content. */
export interface SourceInfo {
  readonly kind: 'file' | 'dir' | 'symlink' | 'special';
  readonly meta: InodeMeta;
  readonly size: number;
  /** Of a symbolic link. */
  readonly target: ByteName | undefined;
}

/** Where a copy goes: a name in a directory of the image that is being made. */
export interface Placement {
  readonly tree: ImageTree;
  readonly parent: TreeNode;
  readonly name: ByteName;
  readonly meta: InodeMeta;
  /** Ends the copying of a large file. */
  readonly signal?: AbortSignal;
}

/** Files that can be copied from: the build context, a stage, an image. */
export interface SourceFiles<Node> {
  /** For messages: `the build context`, `stage "build"`. */
  readonly what: string;
  readonly root: Node;
  info(node: Node): SourceInfo;
  /** Undefined: no such name, or it is ignored. Does not follow links. */
  child(dir: Node, name: ByteName): Node | undefined;
  /** Sorted by bytes; ignored ones left out. */
  children(dir: Node): (readonly [ByteName, Node])[];
  /** Of a regular file's content, and of attributes that {@link info} leaves out; in hex. */
  digest(node: Node, signal?: AbortSignal): string | Promise<string>;
  /** The content of a regular file. */
  read(node: Node): AsyncIterable<Buffer>;
  /** The same for each name of one file; undefined: the file has no other name. Not of directories. */
  identity(node: Node): object | string | undefined;
  /** What a reader can do about a path that is not there; undefined: nothing is known. */
  whyMissing(path: ByteName): string | undefined;
  /** Makes a copy of anything but a directory. The name must not exist. */
  place(node: Node, placement: Placement): Promise<void>;
}

/** Something that a source word means. */
export interface Match<Node> {
  /** As found: below the root, no leading slash; the root itself is empty. */
  readonly path: ByteName;
  readonly node: Node;
}

/** As Linux: more links than this in one path are a loop. */
const LINKS_MAX = 40;

/** The parts of a path below a root: `.` dropped, `..` clipped at the root. */
export function pathParts(path: string): ByteName[] {
  const parts: ByteName[] = [];
  for (const part of path.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(byteNameOf(part));
  }
  return parts;
}

/**
 * What a source word of COPY or ADD means: itself, or what its wildcards (Go's filepath.Match)
 * find, in byte order. From the first wildcard on, links are not followed on the way, only the
 * last component's. Links lead nowhere but below the root: `..` and absolute targets start there.
 * `shown`: the word as messages quote it.
 */
export function findMatches<Node>(
  files: SourceFiles<Node>,
  word: string,
  shown: string = word,
): Match<Node>[] {
  const parts = pathParts(word);
  const first = parts.findIndex((part) => hasWildcard(displayName(part)));
  if (first < 0) return [findWord(files, word, shown)];
  const start = follow(files, parts.slice(0, first), shown);
  let found: Found<Node>[] = [{ path: parts.slice(0, first), node: start.node }];
  for (const part of parts.slice(first)) {
    const matches = compileGoMatch(displayName(part));
    found = found.flatMap((dir) => expand(files, dir, matches));
  }
  return found.map(({ path }) => follow(files, path, shown));
}

/** What a path is, in which no character is special. Throws as {@link findMatches}. */
export function findPath<Node>(files: SourceFiles<Node>, path: string): Match<Node> {
  return follow(files, pathParts(path), path);
}

/** A word without wildcards: as it is written or, if that is nowhere, without its backslashes. */
function findWord<Node>(files: SourceFiles<Node>, word: string, shown: string): Match<Node> {
  const plain = pathParts(unescapePattern(word));
  const isThere = resolve(files, pathParts(word)) !== undefined;
  const isEscaped = word.includes('\\') && !isThere && resolve(files, plain) !== undefined;
  return follow(files, isEscaped ? plain : pathParts(word), shown);
}

/** What `--parents` makes of a word: what is walked, and the pattern of what is taken from it. */
export interface ParentsWord {
  /** What stands before `/./`; the root where there is none. */
  readonly pivot: string;
  /** Below the pivot; empty: everything. */
  readonly pattern: string;
}

/** Splits a source word of `COPY --parents` at its first `/./`. */
export function splitParentsWord(word: string): ParentsWord {
  const at = word.indexOf('/./');
  const pattern = at < 0 ? word : word.slice(at + 3);
  return {
    pivot: at < 0 ? '/' : word.slice(0, at),
    pattern: pathParts(pattern).map(displayName).join('/'),
  };
}

/** A file of that many names, as found. */
interface Found<Node> {
  readonly path: readonly ByteName[];
  readonly node: Node;
}

function expand<Node>(
  files: SourceFiles<Node>,
  { path, node }: Found<Node>,
  matches: GoMatcher,
): Found<Node>[] {
  if (files.info(node).kind !== 'dir') return [];
  return files
    .children(node)
    .filter(([name]) => matches(displayName(name)))
    .map(([name, child]) => ({ path: [...path, name], node: child }));
}

function follow<Node>(
  files: SourceFiles<Node>,
  path: readonly ByteName[],
  word: string,
): Match<Node> {
  const node = resolve(files, path);
  if (node === undefined) throw missing(files, path, word);
  return { path: path.join('/') as ByteName, node };
}

/** The node at a path, links followed below the root. Undefined: it leads nowhere. */
function resolve<Node>(files: SourceFiles<Node>, path: readonly ByteName[]): Node | undefined {
  const todo = [...path];
  const stack: Node[] = [];
  let links = 0;
  for (let part = todo.shift(); part !== undefined; part = todo.shift()) {
    if (part === '..') {
      stack.pop();
      continue;
    }
    const dir = stack.at(-1) ?? files.root;
    if (files.info(dir).kind !== 'dir') return undefined;
    const node = files.child(dir, part);
    if (node === undefined) return undefined;
    const { target } = files.info(node);
    if (target === undefined) {
      stack.push(node);
      continue;
    }
    if (++links > LINKS_MAX) return undefined;
    if (target.startsWith('/')) stack.length = 0;
    const steps = target.split('/').filter((step) => step !== '' && step !== '.');
    todo.unshift(...(steps as ByteName[]));
  }
  return stack.at(-1) ?? files.root;
}

function missing<Node>(
  files: SourceFiles<Node>,
  path: readonly ByteName[],
  word: string,
): UserError {
  const meant = pathParts(word).map(displayName).join('/');
  const hint =
    files.whyMissing(path.join('/') as ByteName) ??
    (leadsOut(word)
      ? `".." does not lead out of ${files.what}: this is "${meant}" in it`
      : whyNowhere(files, path));
  return new UserError('TSB_COPY', `Cannot copy "${word}": not found in ${files.what}`, {
    ...(hint !== undefined && { hint }),
  });
}

/** Whether a `..` of the word was clipped at the root. */
function leadsOut(word: string): boolean {
  let depth = 0;
  for (const part of word.split('/')) {
    if (part === '..') depth -= 1;
    else if (part !== '' && part !== '.') depth += 1;
    if (depth < 0) return true;
  }
  return false;
}

/**
 * Of the first part that leads nowhere: where it is a link to, or which name it may have meant;
 * else where a link before it leads.
 */
function whyNowhere<Node>(files: SourceFiles<Node>, path: readonly ByteName[]): string | undefined {
  const at = path.findIndex((_, index) => resolve(files, path.slice(0, index + 1)) === undefined);
  const part = path[at];
  const dir = resolve(files, path.slice(0, at));
  if (part === undefined || dir === undefined || files.info(dir).kind !== 'dir') return undefined;
  const link = describeLink(files, path.slice(0, at + 1));
  if (link !== undefined) return `${link}, which is not in ${files.what}`;
  const names = files.children(dir).map(([name]) => displayName(name));
  const near = suggest(displayName(part), names);
  if (near !== undefined) {
    return `Did you mean "${[...path.slice(0, at).map(displayName), near].join('/')}"?`;
  }
  const before = path.slice(0, at).map((_, index) => describeLink(files, path.slice(0, index + 1)));
  const followed = before.find((each) => each !== undefined);
  return followed && `${followed}, which was looked for in ${files.what}`;
}

/** Says of a path that is a symbolic link where it leads to. */
function describeLink<Node>(
  files: SourceFiles<Node>,
  path: readonly ByteName[],
): string | undefined {
  const dir = resolve(files, path.slice(0, -1));
  const name = path.at(-1);
  if (dir === undefined || name === undefined || files.info(dir).kind !== 'dir') return undefined;
  const node = files.child(dir, name);
  const target = node && files.info(node).target;
  if (target === undefined) return undefined;
  return `"${path.map(displayName).join('/')}" is a symbolic link to "${displayName(target)}"`;
}
