import type { ByteName } from '../util/byte-name.js';
import { WHITEOUT } from '../layer/types.js';
import { findLower, isLowerDir, rootSources, type Handle } from './lower.js';
import type { LowerLayer, LowerRef } from './lower.js';

/** How many names of files of a layer nobody sees, for files that have several. */
export type HiddenNames = ReadonlyMap<Handle, number>;

/**
 * Counts the names in `layer` that those above it (of `layers`, base first) hide. Reads the
 * directories of the layers above, and of the layer itself only what is hidden.
 */
export function countHiddenNames(layers: readonly LowerLayer[], layer: LowerLayer): HiddenNames {
  const walk = new HiddenWalk(layer);
  walk.run(rootSources(layers));
  return walk.counts;
}

class HiddenWalk {
  readonly counts = new Map<Handle, number>();
  readonly #layer: LowerLayer;
  /** Merged directories that a layer above takes part in. */
  readonly #todo: (readonly LowerRef[])[] = [];
  /** Directories of the layer that are seen, under whatever name. */
  readonly #seen = new Set<Handle>();
  /** Those that are not seen under their own name. */
  readonly #hidden: Handle[] = [];

  constructor(layer: LowerLayer) {
    this.#layer = layer;
  }

  run(roots: readonly LowerRef[]): void {
    if (!roots.some(({ layer }) => layer === this.#layer)) this.#hidden.push(0);
    this.#see(roots);
    for (let dir = this.#todo.pop(); dir !== undefined; dir = this.#todo.pop()) this.#visit(dir);
    for (const dir of this.#hidden) {
      if (this.#seen.has(dir)) continue;
      for (const file of this.#layer.linkedBelow?.(dir, this.#seen) ?? []) this.#count(file);
    }
  }

  #see(sources: readonly LowerRef[]): void {
    for (const { layer, handle } of sources) {
      if (layer === this.#layer) this.#seen.add(handle);
    }
    if ((sources[0]?.layer.position ?? 0) > this.#layer.position) this.#todo.push(sources);
  }

  #visit(sources: readonly LowerRef[]): void {
    const names = new Set<ByteName>();
    for (const { layer, handle } of sources) {
      if (layer.position <= this.#layer.position) continue;
      for (const [name] of layer.children(handle)) names.add(name);
    }
    for (const name of names) {
      const shown = findLower(sources, name);
      if (isLowerDir(shown[0])) this.#see(shown);
      for (const { layer, handle } of sources) {
        if (layer === this.#layer) this.#compare(handle, name, shown);
      }
    }
  }

  #compare(dir: Handle, name: ByteName, shown: readonly LowerRef[]): void {
    const layer = this.#layer;
    const own = layer.peek(dir, name);
    if (own === undefined || own === WHITEOUT) return;
    if (shown.some((ref) => ref.layer === layer && ref.handle === own.handle)) return;
    const linked = layer.linked?.(dir, name);
    if (linked !== undefined) {
      this.#count(linked);
      return;
    }
    const child = layer.child(dir, name);
    if (child !== undefined && child !== WHITEOUT && isLowerDir({ layer, handle: child })) {
      this.#hidden.push(child);
    }
  }

  #count(file: Handle): void {
    this.counts.set(file, (this.counts.get(file) ?? 0) + 1);
  }
}
