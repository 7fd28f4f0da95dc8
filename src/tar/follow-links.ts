import { WHITEOUT, type LayerDir, type LayerNode } from '../layer/types.js';
import type { ByteName } from '../util/byte-name.js';
import { invalid } from './header.js';
import { assertLimit, type TarLimits } from './limits.js';

/** Symbolic links that one path may lead through, as in Linux. */
const SYMLINKS_MAX = 40;

/**
 * Where a path leads in a layer's own tree: the same names with symbolic links followed, inside
 * the tree (`..` of the root is the root). What the layer does not have counts as no link.
 * TSB_LAYER_INVALID for a loop, TSB_LIMIT.
 */
export function followLinks(
  root: LayerDir,
  names: readonly ByteName[],
  limits: TarLimits,
): ByteName[] {
  const done: { readonly name: ByteName; readonly node: LayerNode | undefined }[] = [];
  const todo = names.toReversed();
  let links = 0;
  for (let name = todo.pop(); name !== undefined; name = todo.pop()) {
    if (name === '' || name === '.') continue;
    if (name === '..') {
      done.pop();
      continue;
    }
    const dir = done.length === 0 ? root : done.at(-1)?.node;
    const found = dir?.kind === 'dir' ? dir.entries.get(name) : undefined;
    const node = found === WHITEOUT ? undefined : found;
    if (node?.kind !== 'symlink') {
      done.push({ name, node });
      continue;
    }
    links += 1;
    if (links > SYMLINKS_MAX) throw invalid('a path leads through too many symbolic links');
    if (node.target.startsWith('/')) done.length = 0;
    todo.push(...(node.target.split('/').toReversed() as ByteName[]));
    assertLimit(limits, 'depthMax', done.length + todo.length, 'depth of a path');
  }
  return done.map(({ name }) => name);
}
