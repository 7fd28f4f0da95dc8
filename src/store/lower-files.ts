import type { LayerId, LayerNode } from '../layer/types.js';
import { ImageTree, type TreeNode } from '../overlay/image-tree.js';
import { Overlay } from '../overlay/overlay.js';
import { S_IFLNK, S_IFMT, S_IFREG } from '../sys/constants.js';
import { decodeDev } from '../sys/device-number.js';
import type { FindLower, LowerFile } from '../tar/layer-tree.js';
import type { ByteName } from '../util/byte-name.js';
import { hasCode } from '../util/errors.js';
import type { LayerStore } from './layers.js';

/** The files of a stack of layers, for hard links to them. Disposing it closes the layers. */
export interface LowerFiles extends Disposable {
  readonly find: FindLower;
}

/** Opens the layers (base first) that another one lies upon. */
export function openLowerFiles(store: LayerStore, ids: readonly LayerId[]): LowerFiles {
  const overlay = Overlay.open({
    lowers: ids.map((id) => ({ kind: 'indexed', id })),
    layerDirOf: (id) => store.dirOf(id),
    upperdir: undefined,
  });
  const tree = new ImageTree(overlay);
  const known = new Map<TreeNode, LowerFile>();
  const find = (path: ByteName): LowerFile | undefined => {
    const node = resolve(tree, path);
    if (node === undefined || node.isDir) return undefined;
    let file = known.get(node);
    if (file === undefined) {
      file = { node: layerNodeOf(tree, node), paths: tree.paths(node) };
      known.set(node, file);
    }
    return file;
  };
  return { find, [Symbol.dispose]: () => overlay[Symbol.dispose]() };
}

function resolve(tree: ImageTree, path: ByteName): TreeNode | undefined {
  try {
    return tree.resolve(path, { followLast: false });
  } catch (error) {
    if (hasCode(error, 'ENOTDIR', 'ELOOP')) return undefined;
    throw error;
  }
}

function layerNodeOf(tree: ImageTree, node: TreeNode): LayerNode {
  const { mode, uid, gid, mtimeSec, mtimeNsec } = tree.stat(node);
  const { major, minor } = decodeDev(node.rdev);
  const meta = {
    mode,
    uid,
    gid,
    mtimeSec,
    mtimeNsec,
    xattrs: tree.xattrs(node),
    rdevMajor: major,
    rdevMinor: minor,
  };
  switch (mode & S_IFMT) {
    case S_IFREG:
      return { kind: 'file', ...meta, size: node.size, content: tree.contentRef(node) };
    case S_IFLNK:
      return { kind: 'symlink', ...meta, target: tree.readlink(node) };
    default:
      return { kind: 'special', ...meta };
  }
}
