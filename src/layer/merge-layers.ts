import type { ByteName } from '../util/byte-name.js';
import { WHITEOUT, type InodeMeta, type LayerDir, type LayerId } from './types.js';
import type { LayerNode, SpecialNode } from './types.js';

const S_IFMT = 0o170000;
const S_IFSOCK = 0o140000;

/** A layer and its tree. */
export interface LayerTree {
  readonly id: LayerId;
  readonly root: LayerDir;
}

/** What the layers below the merged ones show at a path (no slash in front). */
export type FindBelow = (path: ByteName) => 'dir' | 'other' | undefined;

type Entry = LayerNode | typeof WHITEOUT;

/**
 * One layer that does what `layers` (lowest first) do one after the other. Contents stay where
 * they are: references are made absolute. Names are removed, and directories opaque, only where
 * `findBelow` finds something that must be hidden. Hard links stay hard links.
 */
export function mergeLayers(layers: readonly LayerTree[], findBelow: FindBelow): LayerDir {
  let merged: Entry | undefined;
  for (const { id, root } of layers) merged = new Merger(id).merge(merged, root);
  if (merged === undefined || !isDir(merged)) throw new RangeError('no layers to merge');
  return prune(merged, '' as ByteName, findBelow);
}

/** Lays one layer over what was merged before. */
class Merger {
  readonly #id: LayerId;
  /** Files of this layer, so that hard links stay one object. */
  readonly #located = new Map<LayerNode, LayerNode>();

  constructor(id: LayerId) {
    this.#id = id;
  }

  merge(lower: Entry | undefined, upper: Entry): Entry {
    if (upper === WHITEOUT) return WHITEOUT;
    if (upper.kind !== 'dir') return this.#locate(upper);
    const isMerged = lower !== undefined && isDir(lower) && !upper.opaque;
    const entries = new Map<ByteName, Entry>(isMerged ? lower.entries : []);
    for (const [name, entry] of upper.entries) {
      entries.set(name, this.merge(entries.get(name), entry));
    }
    if (isMerged) {
      const { opaque } = lower;
      return upper.implied === true ? { ...lower, entries } : dirOf(upper, { opaque, entries });
    }
    // What was merged here before is gone; below it there may be more of it.
    if (lower !== undefined) return dirOf(upper, { opaque: true, entries });
    return { ...upper, entries };
  }

  #locate(node: Exclude<LayerNode, LayerDir>): LayerNode {
    const known = this.#located.get(node);
    if (known !== undefined) return known;
    const content = node.kind === 'file' ? node.content : undefined;
    const located =
      content === undefined || content.layer !== undefined
        ? { ...node }
        : ({ ...node, content: { ...content, layer: this.#id } } as LayerNode);
    this.#located.set(node, located);
    return located;
  }
}

function isDir(entry: Entry): entry is LayerDir {
  return entry !== WHITEOUT && entry.kind === 'dir';
}

function dirOf(
  { mode, uid, gid, mtimeSec, mtimeNsec, rdevMajor, rdevMinor, xattrs }: InodeMeta,
  rest: Pick<LayerDir, 'opaque' | 'entries'>,
): LayerDir {
  const meta = { mode, uid, gid, mtimeSec, mtimeNsec, rdevMajor, rdevMinor, xattrs };
  return { ...meta, kind: 'dir', ...rest };
}

/** Leaves out what hides nothing, and sorts. */
function prune(dir: LayerDir, path: ByteName, findBelow: FindBelow): LayerDir {
  const entries = new Map<ByteName, Entry>();
  const opaque = dir.opaque && findBelow(path) === 'dir';
  const isHidden = dir.opaque || (path !== '' && findBelow(path) !== 'dir');
  const below: FindBelow = isHidden ? () => undefined : findBelow;
  for (const name of [...dir.entries.keys()].sort()) {
    const entry = dir.entries.get(name);
    const child = (path === '' ? name : `${path}/${name}`) as ByteName;
    if (entry === undefined) continue;
    if (entry === WHITEOUT) {
      if (below(child) !== undefined) entries.set(name, WHITEOUT);
    } else if (isDir(entry)) entries.set(name, prune(entry, child, below));
    else if (entry.kind === 'special') {
      entries.set(name, withReplaces(entry, below(child) !== undefined));
    } else entries.set(name, entry);
  }
  return { ...dir, opaque, entries };
}

/** A socket is left out of archives: a whiteout stands for it where there is something below. */
function withReplaces({ replaces: _, ...node }: SpecialNode, isBelow: boolean): SpecialNode {
  return (node.mode & S_IFMT) === S_IFSOCK && isBelow ? { ...node, replaces: true } : node;
}
