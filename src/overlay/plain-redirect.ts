import { FsError } from '../sys/errno.js';
import { displayName, type ByteName } from '../util/byte-name.js';
import { findLower, isLowerDir, rootSources, type LowerLayer, type LowerRef } from './lower.js';
import { Node, type Content } from './node.js';

const NOTHING: readonly LowerRef[] = [];

/** The components of a path. */
export function componentsOf(path: ByteName): ByteName[] {
  return path.split('/').filter((name) => name !== '') as ByteName[];
}

/** The directories that layers (base first) merge at a path from their roots, top first. */
export function findDirs(
  layers: readonly LowerLayer[],
  path: readonly ByteName[],
): readonly LowerRef[] {
  let sources = rootSources(layers);
  for (const name of path) {
    sources = findLower(sources, name);
    if (!isLowerDir(sources[0])) return NOTHING;
  }
  return sources;
}

/** Where a file is that has its metadata only in its layer. */
export interface Metacopy {
  readonly layer: LowerLayer;
  /** The layers below, base first. */
  readonly below: readonly LowerLayer[];
  /** Its path in the layer. */
  readonly path: ByteName;
  readonly redirect: ByteName | undefined;
}

/** The bytes of such a file, which a layer below has; throws EIO where none does. */
export function findMetacopyContent(metacopy: Metacopy): Content | undefined {
  const { layer, below, path, redirect } = metacopy;
  const names = componentsOf(path);
  let name = names.pop();
  let sources: readonly LowerRef[];
  if (redirect?.startsWith('/') === true) {
    const target = componentsOf(redirect);
    name = target.pop();
    sources = findDirs(below, target);
  } else {
    name = redirect ?? name;
    sources = findDirs([...below, layer], names).filter((ref) => ref.layer !== layer);
  }
  const [found] = name === undefined ? NOTHING : findLower(sources, name);
  if (found === undefined || isLowerDir(found)) throw lostContent(metacopy);
  const node = new Node(0, found.layer.mode(found.handle));
  found.layer.load(found.handle, node);
  return node.content;
}

function lostContent({ path, redirect }: Metacopy): FsError {
  const error = new FsError('EIO', 'open', displayName(path));
  const where = redirect === undefined ? '' : ` at '${displayName(redirect)}'`;
  error.message += `: only metadata is here (metacopy), and no lower layer has the file${where}`;
  return error;
}

/** Throws where a redirect leads out of its directory. */
export function assertRedirectName(redirect: ByteName, path: Buffer): void {
  if (redirect !== '' && redirect !== '.' && redirect !== '..' && !redirect.includes('/')) return;
  const error = new FsError('EIO', 'lookup', path.toString());
  error.message += `: found the redirect '${displayName(redirect)}', want a name or /PATH`;
  throw error;
}
