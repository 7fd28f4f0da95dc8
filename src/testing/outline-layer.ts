import { WHITEOUT, type LayerDir } from '../layer/types.js';

/** A layer as text, sorted: `name`, `name/` (opaque: `name/!`), `-name` for a whiteout. */
export function outlineLayer(dir: LayerDir, prefix = ''): string[] {
  const lines: string[] = [];
  for (const [name, node] of dir.entries) {
    if (node === WHITEOUT) lines.push(`-${prefix}${name}`);
    else if (node.kind !== 'dir') lines.push(`${prefix}${name}`);
    else {
      lines.push(`${prefix}${name}/${node.opaque ? '!' : ''}`);
      lines.push(...outlineLayer(node, `${prefix}${name}/`));
    }
  }
  return lines.sort();
}
