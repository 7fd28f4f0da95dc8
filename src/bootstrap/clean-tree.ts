/*
 * What a root file system of mmdebstrap or debootstrap has that an image should not: traces of
 * the machine it was made on, and what would make two of them differ.
 */
import type { LayerDir, LayerNode, WHITEOUT } from '../layer/types.js';
import { byteNameOf, type ByteName } from '../util/byte-name.js';

type Entries = Map<ByteName, LayerNode | typeof WHITEOUT>;
type Rule = 'everything' | 'files' | 'contents';

/**
 * Directories that are emptied. `everything`; `files`: directories in it stay; `contents`: empty
 * files stay as well (logs are there, as their packages made them, but say nothing).
 */
const EMPTIED: readonly (readonly [path: string, rule: Rule])[] = [
  ['dev', 'everything'],
  ['proc', 'everything'],
  ['sys', 'everything'],
  ['tmp', 'everything'],
  ['var/tmp', 'everything'],
  ['run', 'files'],
  ['var/cache/apt', 'files'],
  ['var/cache/ldconfig', 'files'],
  ['var/lib/apt/lists', 'files'],
  ['var/log', 'contents'],
];

const REMOVED: readonly string[] = [
  ...['debootstrap', 'etc/hostname', 'etc/resolv.conf', 'etc/machine-id', 'etc/.pwd.lock'],
  ...['etc/apt/sources.list', 'var/lib/dbus/machine-id', 'var/lib/systemd/random-seed'],
  ...['available-old', 'diversions-old', 'statoverride-old', 'status-old', 'lock'].map(
    (name) => `var/lib/dpkg/${name}`,
  ),
  ...['config', 'passwords', 'templates'].map((name) => `var/cache/debconf/${name}.dat-old`),
  'var/lib/dpkg/lock-frontend',
  'var/lib/dpkg/triggers/Lock',
];

/** The tree without what an image should not have. Nothing is mutated. */
export function cleanTree(root: LayerDir): LayerDir {
  const emptied = EMPTIED.reduce(
    (tree, [path, rule]) => editDir(tree, path, (dir) => emptyDir(dir, rule)),
    root,
  );
  return REMOVED.reduce((tree, path) => setNode(tree, path, undefined), emptied);
}

/** The tree with a node put at `path`, whose directory must be there, or taken away. */
export function setNode(root: LayerDir, path: string, node: LayerNode | undefined): LayerDir {
  const slash = path.lastIndexOf('/');
  const name = byteNameOf(path.slice(slash + 1));
  return editDir(root, path.slice(0, Math.max(slash, 0)), (dir) => {
    if (node === undefined && !dir.entries.has(name)) return dir;
    const entries: Entries = new Map(dir.entries);
    if (node === undefined) entries.delete(name);
    else entries.set(name, node);
    return { ...dir, entries };
  });
}

/** The node at `path`; undefined if there is none. Symbolic links are not followed. */
export function findNode(root: LayerDir, path: string): LayerNode | undefined {
  let node: LayerNode | undefined = root;
  for (const name of path.split('/')) {
    if (node?.kind !== 'dir') return undefined;
    const next: LayerNode | typeof WHITEOUT | undefined = node.entries.get(byteNameOf(name));
    node = typeof next === 'symbol' ? undefined : next;
  }
  return node;
}

/** The tree with no time after `second`. Hard links stay links. */
export function clampTimes(root: LayerDir, second: number): LayerDir {
  const clamped = new Map<LayerNode, LayerNode>();
  const clamp = (node: LayerNode): LayerNode => {
    const known = clamped.get(node);
    if (known !== undefined) return known;
    const late = node.mtimeSec >= second;
    const times = late ? { mtimeSec: second, mtimeNsec: 0 } : {};
    const result =
      node.kind === 'dir' ? { ...clampDir(node), ...times } : late ? { ...node, ...times } : node;
    clamped.set(node, result);
    return result;
  };
  const clampDir = (dir: LayerDir): LayerDir => {
    const entries: Entries = new Map();
    for (const [name, node] of dir.entries) {
      entries.set(name, typeof node === 'symbol' ? node : clamp(node));
    }
    return { ...dir, entries };
  };
  return clamp(root) as LayerDir;
}

function emptyDir(dir: LayerDir, rule: Rule): LayerDir {
  const entries: Entries = new Map();
  for (const [name, node] of rule === 'everything' ? [] : dir.entries) {
    if (typeof node === 'symbol') continue;
    if (node.kind === 'dir') entries.set(name, emptyDir(node, rule));
    else if (rule === 'contents' && node.kind === 'file' && node.size === 0)
      entries.set(name, node);
  }
  return { ...dir, entries };
}

/** The tree with one directory edited; unchanged if it is not there. */
function editDir(root: LayerDir, path: string, edit: (dir: LayerDir) => LayerDir): LayerDir {
  if (path === '') return edit(root);
  const [first = '', ...rest] = path.split('/');
  const name = byteNameOf(first);
  const child = root.entries.get(name);
  if (child === undefined || typeof child === 'symbol' || child.kind !== 'dir') return root;
  const entries: Entries = new Map(root.entries);
  entries.set(name, editDir(child, rest.join('/'), edit));
  return { ...root, entries };
}
