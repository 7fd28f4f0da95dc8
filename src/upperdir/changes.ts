import { WHITEOUT } from '../layer/types.js';
import { findLower, isLowerDir, sameRef, sameSources, type LowerRef } from '../overlay/lower.js';
import type { Node } from '../overlay/node.js';
import type { PlainLower } from '../overlay/plain-lower.js';
import { isDirNode, type DirNode, type Tree } from '../overlay/tree.js';
import { displayName, type ByteName } from '../util/byte-name.js';
import { sameAsOrigin } from './compare.js';
import { completeGroups } from './groups.js';
import type { Change } from './journal.js';
import { attempt, type Loss } from './loss.js';
import type { Stage } from './stage.js';
import { join } from './upper-format.js';

/** What is to be done to the upper directory, and what cannot be. */
export interface Changes {
  readonly changes: readonly Change[];
  readonly losses: readonly Loss[];
}

/**
 * Compares a tree with its layers, of which `upper` is the topmost and the one to change; visits
 * only what is marked dirty. What is new is made in the stage. A file that cannot be made (no
 * space, a device in a user namespace, bytes that cannot be read) is left out and told.
 */
export function findChanges(tree: Tree, upper: PlainLower, stage: Stage): Changes {
  const finder = new Finder(tree, upper, stage);
  finder.run();
  const { kept, dropped } = keepUnmoved(finder.changes, stage.unmoved);
  const losses = dropped.map(({ at }) => ({
    path: displayName(at),
    reason: 'a file that was there cannot be moved',
  }));
  return { changes: kept, losses: [...finder.losses, ...stage.losses, ...losses] };
}

/** Leaves out what would take away files that did not get their new names: none else has them. */
function keepUnmoved(
  changes: readonly Change[],
  unmoved: readonly ByteName[],
): { kept: readonly Change[]; dropped: readonly Change[] } {
  const takes = ({ kind, at }: Change): boolean =>
    kind !== 'meta' && unmoved.some((path) => isWithin(path, at));
  const dropped = unmoved.length === 0 ? [] : changes.filter(takes);
  const kept = changes.filter((change) => !dropped.some(({ at }) => isWithin(change.at, at)));
  return { kept: dropped.length === 0 ? changes : kept, dropped };
}

function isWithin(path: ByteName, dir: ByteName): boolean {
  return path === dir || path.startsWith(`${dir}/`);
}

class Finder {
  readonly changes: Change[] = [];
  readonly losses: Loss[] = [];
  readonly #tree: Tree;
  readonly #upper: PlainLower;
  readonly #stage: Stage;

  constructor(tree: Tree, upper: PlainLower, stage: Stage) {
    this.#tree = tree;
    this.#upper = upper;
    this.#stage = stage;
  }

  run(): void {
    const root = this.#tree.root as DirNode;
    completeGroups(this.#tree, (node) => this.#stage.isAdopted(node));
    this.#visitDir(root, '' as ByteName, root.dir.sources);
  }

  /** A directory that the upper directory has, at `at`, and that stays. */
  #visitDir(node: DirNode, at: ByteName, full: readonly LowerRef[]): void {
    if (!node.dirty && !node.changed) return;
    const before = this.changes.length;
    const [upper] = full;
    const low = full.filter(({ layer }) => layer !== this.#upper);
    const { children, hidden } = node.dir;
    for (const name of hidden ?? []) {
      if (children.has(name)) continue;
      this.#attempt(below(at, name), () => this.#visitRemoved({ at, upper, low, name }));
    }
    for (const [name, child] of children) {
      this.#attempt(below(at, name), () => this.#visitChild(child, { at, upper, low, name, full }));
    }
    const isTouched = this.changes.slice(before).some((change) => isEntryOf(change, at));
    if (isTouched || !sameAsOrigin(node).metadata) {
      this.#attempt(at, () => this.#setMetadata(node, at));
    }
  }

  #setMetadata(node: Node, at: ByteName): void {
    this.changes.push({ kind: 'meta', at, metadata: this.#stage.metadataOf(node) });
  }

  #visitRemoved({ at, upper, low, name }: Place): void {
    const entry = upper?.layer.child(upper.handle, name);
    const path = below(at, name);
    if (findLower(low, name).length === 0) {
      if (typeof entry === 'number') this.changes.push({ kind: 'remove', at: path });
      return;
    }
    if (entry === WHITEOUT) return;
    const marked = this.#stage.whiteoutName(name);
    this.#place(below(at, marked), (to) => {
      this.#stage.makeWhiteout(to);
      return 'made';
    });
    if (marked !== name && entry !== undefined) this.changes.push({ kind: 'remove', at: path });
  }

  #visitChild(child: Node, place: Place & { full: readonly LowerRef[] }): void {
    const { at, low, name } = place;
    const path = below(at, name);
    const full = findLower(place.full, name);
    if (!isDirNode(child)) {
      this.#visitFile(child, path, full);
      return;
    }
    if (full.length > 0 && sameSources(child.dir.sources, full)) {
      if (full[0]?.layer === this.#upper) this.#visitDir(child, path, full);
      else this.#placeMerged(child, path, full);
      return;
    }
    const isOpaque = isLowerDir(findLower(low, name)[0]);
    this.#place(path, (to, metas) => {
      this.#buildWhole(child, { to, at: path, isOpaque, metas });
      return 'made';
    });
  }

  #visitFile(node: Node, path: ByteName, full: readonly LowerRef[]): void {
    const same = sameAsOrigin(node);
    const isAdopted = this.#stage.isAdopted(node);
    if (sameRef(full[0], node.origin)) {
      if (isAdopted) {
        if (!same.metadata) this.#setMetadata(node, path);
        return;
      }
      if (same.content && same.metadata && !isRegrouped(node)) return;
    }
    this.#place(path, (to) => {
      this.#stage.makeFile(node, to, path);
      return 'made';
    });
    if (isAdopted && !same.metadata) this.#setMetadata(node, path);
  }

  /** Makes something in the stage and has it placed. */
  #place(at: ByteName, make: (to: Buffer, metas: Change[]) => 'made' | 'nothing'): void {
    const staged = this.#stage.newName();
    const metas: Change[] = [];
    if (make(this.#stage.pathOf(staged), metas) === 'nothing') return;
    this.changes.push({ kind: 'place', at, staged }, ...metas);
  }

  /** A directory that only lower layers have: it gets what changed in it, if anything did. */
  #placeMerged(node: DirNode, at: ByteName, full: readonly LowerRef[]): void {
    if (!node.dirty && !node.changed) return;
    this.#place(at, (to, metas) => {
      const make = (): void => this.#stage.makeDir(to);
      return this.#buildMerged(node, { to, at, metas, full, make });
    });
  }

  #buildMerged(node: DirNode, { to, at, metas, full, make }: MergedDir): 'made' | 'nothing' {
    if (!node.dirty && !node.changed) return 'nothing';
    const state = { isMade: false };
    const makeHere = (): void => {
      if (state.isMade) return;
      make();
      state.isMade = true;
    };
    if (!sameAsOrigin(node).metadata) makeHere();
    const { children, hidden } = node.dir;
    for (const name of hidden ?? []) {
      this.#attempt(below(at, name), () => {
        if (children.has(name) || findLower(full, name).length === 0) return;
        makeHere();
        this.#stage.makeWhiteout(join(to, this.#stage.whiteoutName(name)));
      });
    }
    for (const [name, child] of children) {
      const inner = { to: join(to, name), at: below(at, name), metas };
      this.#attempt(inner.at, () => {
        this.#buildChild(child, { ...inner, full: findLower(full, name), make: makeHere });
      });
    }
    if (!state.isMade) return 'nothing';
    this.#stage.finishDir(node, to, { at, isOpaque: false });
    return 'made';
  }

  /** What a directory of {@link #buildMerged} has: `make` makes that, `full` is below the name. */
  #buildChild(child: Node, { full, make, ...place }: MergedDir): void {
    if (!isDirNode(child)) {
      const same = sameAsOrigin(child);
      const isKept = sameRef(full[0], child.origin) && same.content && same.metadata;
      if (isKept && !isRegrouped(child)) return;
      make();
      this.#buildFile(child, place);
    } else if (full.length > 0 && sameSources(child.dir.sources, full)) {
      const makeInner = (): void => {
        make();
        this.#stage.makeDir(place.to);
      };
      this.#buildMerged(child, { ...place, full, make: makeInner });
    } else {
      make();
      this.#buildWhole(child, { ...place, isOpaque: isLowerDir(full[0]) });
    }
  }

  /** A directory that stands by itself: everything in it is written. */
  #buildWhole(node: DirNode, { to, at, isOpaque, metas }: WholeDir): void {
    this.#stage.makeDir(to);
    this.#attempt(at, () => {
      for (const name of this.#tree.names(node)) {
        const inner = { to: join(to, name), at: below(at, name), metas };
        this.#attempt(inner.at, () => {
          const child = this.#tree.lookup(node, name);
          if (child === undefined) return;
          if (isDirNode(child)) this.#buildWhole(child, { ...inner, isOpaque: false });
          else this.#buildFile(child, inner);
        });
      }
    });
    this.#stage.finishDir(node, to, { at, isOpaque });
  }

  #buildFile(node: Node, { to, at, metas }: NewFile): void {
    this.#stage.makeFile(node, to, at);
    if (this.#stage.isAdopted(node) && !sameAsOrigin(node).metadata) {
      metas.push({ kind: 'meta', at, metadata: this.#stage.metadataOf(node) });
    }
  }

  /** Does what may fail for one file alone. */
  #attempt(path: ByteName, work: () => void): void {
    const loss = attempt(path, work);
    if (loss !== undefined) this.losses.push(loss);
  }
}

/** A name in a directory that the upper directory has. */
interface Place {
  readonly at: ByteName;
  readonly name: ByteName;
  /** The directory in the upper directory. */
  readonly upper: LowerRef | undefined;
  /** The directories of lower layers that it merges. */
  readonly low: readonly LowerRef[];
}

/** Something to be made in the stage at `to`, which comes to `at`; `metas` are for afterwards. */
interface NewFile {
  readonly to: Buffer;
  readonly at: ByteName;
  readonly metas: Change[];
}

interface WholeDir extends NewFile {
  readonly isOpaque: boolean;
}

interface MergedDir extends NewFile {
  readonly full: readonly LowerRef[];
  /** Makes the directory, and those it lies in. */
  readonly make: () => void;
}

function below(dir: ByteName, name: ByteName): ByteName {
  return (dir === '' ? name : `${dir}/${name}`) as ByteName;
}

/** Whether a change is one of a directory's own entries. */
function isEntryOf(change: Change, dir: ByteName): boolean {
  if (change.kind === 'meta') return false;
  const slash = change.at.lastIndexOf('/');
  return (slash < 0 ? '' : change.at.slice(0, slash)) === dir;
}

/** Whether a file's names changed: then all are written, as one inode. */
function isRegrouped(node: Node): boolean {
  return node.relinked && node.links > 1;
}
