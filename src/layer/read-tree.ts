import type { ByteName } from '../util/byte-name.js';
import type { LayerIndex, Row } from './index-codec.js';
import { WHITEOUT, type InodeMeta, type LayerDir, type LayerNode } from './types.js';

const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;
const S_IFREG = 0o100000;
const S_IFLNK = 0o120000;

function readMeta(index: LayerIndex, row: Row): InodeMeta {
  return {
    mode: index.mode(row),
    uid: index.uid(row),
    gid: index.gid(row),
    mtimeSec: index.mtimeSec(row),
    mtimeNsec: index.mtimeNsec(row),
    rdevMajor: index.rdevMajor(row),
    rdevMinor: index.rdevMinor(row),
    xattrs: index.xattrs(row),
  };
}

/** Reads one inode that is not a directory. */
export function readNode(index: LayerIndex, row: Row): Exclude<LayerNode, LayerDir> {
  const meta = readMeta(index, row);
  switch (meta.mode & S_IFMT) {
    case S_IFREG:
      return { ...meta, kind: 'file', size: index.size(row), content: index.content(row) };
    case S_IFLNK:
      return { ...meta, kind: 'symlink', target: index.target(row) };
    default:
      return { ...meta, kind: 'special', ...(index.replaces(row) && { replaces: true }) };
  }
}

/** The whole tree of a layer as objects; hard links are one object. */
export function readTree(index: LayerIndex): LayerDir {
  const links = new Map<Row, LayerNode>();
  const readDir = (row: Row): LayerDir => {
    const entries = new Map<ByteName, LayerNode | typeof WHITEOUT>();
    for (const [name, child] of index.children(row)) {
      entries.set(name, child === WHITEOUT ? WHITEOUT : read(child));
    }
    const implied = index.implied(row) ? ({ implied: true } as const) : {};
    const opaque = index.opaque(row);
    return { ...readMeta(index, row), kind: 'dir', opaque, ...implied, entries };
  };
  const read = (row: Row): LayerNode => {
    if ((index.mode(row) & S_IFMT) === S_IFDIR) return readDir(row);
    let node = links.get(row);
    if (node === undefined) {
      node = readNode(index, row);
      if (index.nlink(row) > 1) links.set(row, node);
    }
    return node;
  };
  return readDir(0);
}
