import { setImmediate as nextTick } from 'node:timers/promises';
import { CanonicalHash } from '../cache/key.js';
import type { InodeMeta, Xattrs } from '../layer/types.js';
import type { ByteName } from '../util/byte-name.js';
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
}

/** Lets timers, signals and output have their turn after this many files. */
const FILES_PER_TURN = 256;

/** Gathers everything below the sources of a copy. */
export class EntryCollector<Node> {
  readonly #files: SourceFiles<Node>;
  readonly #signal: AbortSignal;
  #count = 0;

  constructor(files: SourceFiles<Node>, { signal }: { signal: AbortSignal }) {
    this.#files = files;
    this.#signal = signal;
  }

  /** The match with all that is below it. */
  async collect({ path, node }: Match<Node>): Promise<CopyEntry<Node>> {
    const name = path.slice(path.lastIndexOf('/') + 1) as ByteName;
    return await this.#entry(name, node);
  }

  async #entry(name: ByteName, node: Node): Promise<CopyEntry<Node>> {
    const info = this.#files.info(node);
    const entries: CopyEntry<Node>[] = [];
    if (info.kind !== 'dir') return { name, node, info, entries };
    for (const [childName, child] of this.#files.children(node)) {
      if (++this.#count % FILES_PER_TURN === 0) {
        await nextTick();
        this.#signal.throwIfAborted();
      }
      entries.push(await this.#entry(childName, child));
    }
    return { name, node, info, entries };
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
      : changeMode(permissions, kind === 'dir');
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
  changeMode: ModeChange | undefined,
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
    for (const { name, node, info, entries: below } of list) {
      if (++count % FILES_PER_TURN === 0) await nextTick();
      const meta = changedMeta(info, { owner: undefined, changeMode });
      hash.add(name).add(info.kind).add(meta.mode).add(meta.uid).add(meta.gid);
      hash.add(info.target).add(meta.rdevMajor).add(meta.rdevMinor).add(xattrList(meta.xattrs));
      hash.add(info.kind === 'dir' ? undefined : firstOf(node));
      hash.add(info.kind === 'file' ? await files.digest(node) : undefined);
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
