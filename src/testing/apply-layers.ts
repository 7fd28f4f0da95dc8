import { createHash } from 'node:crypto';

import { LayerSet, openContent, type LayerDirOf } from '../layer/layer-reader.js';
import { WHITEOUT, type LayerDir, type LayerId, type LayerNode } from '../layer/types.js';
import { encodeDev } from '../sys/device-number.js';

/** A node of the applied tree; `id` is the layer that it came from. */
interface Applied {
  node: LayerNode;
  id: LayerId;
  entries: Map<string, Applied> | undefined;
}

/**
 * Applies layers one after the other as an unpacker of layer archives does, knowing nothing of
 * overlays: the yardstick for what a commit writes.
 */
export function applyLayers(layers: readonly { readonly id: LayerId; readonly tree: LayerDir }[]): {
  describe(dirOf: LayerDirOf): Promise<string[]>;
} {
  let root: Applied | undefined;
  for (const { id, tree } of layers) root = apply(root, tree, id, new Map());
  return { describe: (dirOf) => describe(root, dirOf) };
}

function apply(
  old: Applied | undefined,
  node: LayerNode,
  id: LayerId,
  links: Map<LayerNode, Applied>,
): Applied {
  if (node.kind !== 'dir') {
    const made = links.get(node) ?? { node, id, entries: undefined };
    links.set(node, made);
    return made;
  }
  const entries = node.opaque ? new Map<string, Applied>() : new Map(old?.entries);
  for (const [name, child] of node.entries) {
    if (child === WHITEOUT) entries.delete(name);
    else entries.set(name, apply(entries.get(name), child, id, links));
  }
  const hasOld = node.implied === true && old?.node.kind === 'dir';
  return { node: hasOld ? old.node : node, id, entries };
}

async function describe(root: Applied | undefined, dirOf: LayerDirOf): Promise<string[]> {
  using layers = new LayerSet(dirOf);
  const lines: string[] = [];
  const groups = new Map<Applied, string>();
  const visit = async (applied: Applied, at: string): Promise<void> => {
    const { node, id, entries } = applied;
    const group = groups.get(applied) ?? at;
    groups.set(applied, group);
    let size = 0;
    let body = '->';
    if (node.kind === 'file') {
      size = node.size;
      const hash = createHash('sha256');
      const source = { layers, home: id, ref: node.content, size };
      for await (const chunk of openContent(source)) hash.update(chunk);
      body = `sha256:${hash.digest('hex')}`;
    } else if (node.kind === 'symlink') {
      size = node.target.length;
      body = `->${node.target}`;
    }
    const { mode, uid, gid, mtimeSec, mtimeNsec } = node;
    const rdev = encodeDev(node.rdevMajor, node.rdevMinor);
    const meta = `${mode.toString(8)} ${uid}:${gid} ${rdev} ${mtimeSec}.${mtimeNsec}`;
    const xattrs = [...(node.xattrs ?? [])].map(([k, v]) => `${k}=${v.toString('hex')}`);
    lines.push(`${at || '/'} ${meta} ${size} ${body} =${group} ${xattrs.sort().join(',')}`);
    for (const name of [...(entries?.keys() ?? [])].sort()) {
      const child = entries?.get(name);
      if (child !== undefined) await visit(child, `${at}/${name}`);
    }
  };
  if (root !== undefined) await visit(root, '');
  return lines;
}
