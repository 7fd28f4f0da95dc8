import type { ByteName } from '../util/byte-name.js';
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
 * removed or replaced some. What a layer without an index has counts as shown.
 */
export function countVisibleNames(layers: readonly LowerLayer[], ref: LowerRef): number {
  const { layer, handle } = ref;
  const nlink = layer.nlink(handle);
  if (nlink < 2 || layer.position === layers.length - 1) return nlink;
  // Without an index every directory would have to be read, for each file.
  if (layer.count === undefined) return nlink;
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
