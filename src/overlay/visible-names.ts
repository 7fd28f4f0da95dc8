import type { ByteName } from '../util/byte-name.js';
import type { HiddenNames } from './hidden-names.js';
import {
  findLower,
  isLowerDir,
  rootSources,
  sameRef,
  type LowerLayer,
  type LowerRef,
} from './lower.js';

/**
 * How many of an inode's names merged layers (base first) show: layers above its own may have
 * removed or replaced some. Of a layer without an index, `hiddenIn` tells the names that are not
 * shown; the others need not be in the layer at all.
 */
export function countVisibleNames(
  layers: readonly LowerLayer[],
  ref: LowerRef,
  hiddenIn: (layer: LowerLayer) => HiddenNames,
): number {
  const { layer, handle } = ref;
  const nlink = layer.nlink(handle);
  if (nlink < 2 || layer.position === layers.length - 1) return nlink;
  if (layer.count === undefined) {
    return Math.max(1, nlink - (hiddenIn(layer).get(handle) ?? 0));
  }
  const paths = layer.pathsOf(new Set([handle]));
  if (paths === undefined) return nlink;
  const top = rootSources(layers);
  const visible = paths.filter((path) => sameRef(findPath(top, path), ref)).length;
  return Math.max(1, visible);
}

function findPath(top: readonly LowerRef[], path: readonly ByteName[]): LowerRef | undefined {
  let refs = top;
  for (const [depth, name] of path.entries()) {
    if (depth > 0 && !isLowerDir(refs[0])) return undefined;
    refs = findLower(refs, name);
  }
  return refs[0];
}
