import { setImmediate as nextTick } from 'node:timers/promises';
import { CanonicalHash } from '../cache/key.js';
import type { InodeMeta, Xattrs } from '../layer/types.js';
import type { PathPatterns } from '../dockerfile/path-patterns.js';
import type { ByteName } from '../util/byte-name.js';
import { displayName } from '../util/byte-name.js';
import type { Match, SourceFiles, SourceInfo } from './copy-source.js';
import type { ModeChange } from './file-mode.js';
import type { Owner } from './image-users.js';

/** One thing to copy, with what is below it. */
export interface CopyEntry<Node> {
  /** At the destination. Of a source itself: the last component of its path. */
  readonly name: ByteName;
  readonly node: Node;
  readonly info: SourceInfo;
  /** Of a directory; sorted by bytes. */
  readonly entries: readonly CopyEntry<Node>[];
  /** A directory that is made only because something below it is copied. */
  readonly isParent: boolean;
}

/** What is taken of a source directory, by paths below it; undefined: everything, nothing. */
export interface EntryFilter {
  readonly include?: PathPatterns | undefined;
  readonly exclude?: PathPatterns | undefined;
}

/** Lets timers, signals and output have their turn after this many files. */
const FILES_PER_TURN = 256;

/** Gathers everything below the sources of a copy that a filter lets through. */
export class EntryCollector<Node> {
  readonly #files: SourceFiles<Node>;
  readonly #filter: EntryFilter;
  readonly #signal: AbortSignal;
  #count = 0;

  constructor(
    files: SourceFiles<Node>,
    { filter, signal }: { filter: EntryFilter; signal: AbortSignal },
  ) {
    this.#files = files;
    this.#filter = filter;
    this.#signal = signal;
  }

  /** The match with all that is below it; undefined: a file that is excluded by name or path. */
  async collect({ path, node }: Match<Node>): Promise<CopyEntry<Node> | undefined> {
    const name = path.slice(path.lastIndexOf('/') + 1) as ByteName;
    const info = this.#files.info(node);
    const { exclude } = this.#filter;
    if (info.kind !== 'dir') {
      const names = [displayName(name), displayName(path)];
      const excluded = exclude !== undefined && names.some((each) => exclude.matches(each));
      return excluded ? undefined : { name, node, info, entries: [], isParent: false };
    }
    const entries = await this.#below(node, '');
    return { name, node, info, entries, isParent: false };
  }

  async #below(dir: Node, path: string): Promise<CopyEntry<Node>[]> {
    const entries: CopyEntry<Node>[] = [];
    for (const [name, node] of this.#files.children(dir)) {
      if (++this.#count % FILES_PER_TURN === 0) {
        await nextTick();
        this.#signal.throwIfAborted();
      }
      const text = displayName(name);
      const entry = await this.#entry(name, node, path === '' ? text : `${path}/${text}`);
      if (entry !== undefined) entries.push(entry);
    }
    return entries;
  }

  async #entry(name: ByteName, node: Node, path: string): Promise<CopyEntry<Node> | undefined> {
    const info = this.#files.info(node);
    const { include, exclude } = this.#filter;
    const isTaken = include?.matches(path) ?? true;
    const isExcluded = exclude?.matches(path) ?? false;
    const isParent = !isTaken || isExcluded;
    if (info.kind !== 'dir') {
      return isParent ? undefined : { name, node, info, entries: [], isParent };
    }
    if (!isTaken && include?.mayMatchBelow(path) === false) return undefined;
    if (isExcluded && exclude?.mayExceptBelow(path) === false) return undefined;
    const entries = await this.#below(node, path);
    return isParent && entries.length === 0 ? undefined : { name, node, info, entries, isParent };
  }
}

/** How the copies differ from their sources. */
export interface MetaChanges {
  /** Undefined: as in the source. */
  readonly owner: Owner | undefined;
  readonly changeMode: ModeChange | undefined;
}

const PERMISSION_BITS = 0o7777;

/** The metadata of a copy. A symbolic link keeps its mode. */
export function changedMeta({ kind, meta }: SourceInfo, changes: MetaChanges): InodeMeta {
  const { owner, changeMode } = changes;
  const permissions = meta.mode & PERMISSION_BITS;
  const changed =
    changeMode === undefined || kind === 'symlink'
      ? permissions
      : changeMode.apply(permissions, kind === 'dir');
  return { ...meta, ...owner, mode: (meta.mode & ~PERMISSION_BITS) | changed };
}

/**
 * The digest of what a COPY makes of its sources: names, kinds, modes as they will be, owners,
 * link targets, contents, which names are of one file; no times. Of a directory source only what
 * is in it counts. `--chown` is left to the caller: its text and the image decide the ids.
 */
export async function digestEntries<Node>(
  files: SourceFiles<Node>,
  entries: readonly CopyEntry<Node>[],
  { changeMode, signal }: { changeMode: ModeChange | undefined; signal: AbortSignal },
): Promise<string> {
  const hash = new CanonicalHash();
  let count = 0;
  const numbers = new Map<object | string, number>();
  /** The number of the first entry of the same file. */
  const firstOf = (node: Node): number | undefined => {
    const identity = files.identity(node);
    if (identity === undefined) return undefined;
    const first = numbers.get(identity);
    if (first === undefined) numbers.set(identity, count);
    return first;
  };
  const add = async (list: readonly CopyEntry<Node>[]): Promise<void> => {
    hash.add(list.length);
    for (const { name, node, info, entries: below, isParent } of list) {
      if (++count % FILES_PER_TURN === 0) {
        await nextTick();
        signal.throwIfAborted();
      }
      const meta = changedMeta(info, { owner: undefined, changeMode });
      hash.add(name).add(isParent).add(info.kind).add(meta.mode).add(meta.uid).add(meta.gid);
      hash.add(info.target).add(meta.rdevMajor).add(meta.rdevMinor).add(xattrList(meta.xattrs));
      hash.add(info.kind === 'dir' ? undefined : firstOf(node));
      hash.add(info.kind === 'file' ? await files.digest(node, signal) : undefined);
      await add(below);
    }
  };
  for (const source of entries) {
    count = 0;
    numbers.clear();
    hash.add(source.info.kind === 'dir');
    await add(source.info.kind === 'dir' ? source.entries : [source]);
  }
  return hash.hex();
}

function xattrList(xattrs: Xattrs | undefined): string[] | undefined {
  if (xattrs === undefined) return undefined;
  return [...xattrs].map(([name, value]) => `${name}=${value.toString('hex')}`).sort();
}
