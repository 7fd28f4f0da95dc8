import { S_IFDIR, S_IFREG } from '../sys/constants.js';
import { byteNameOf, type ByteName } from '../util/byte-name.js';
import { UserError, hasCode } from '../util/errors.js';
import { stampNew } from './clock.js';
import { Directory } from './node.js';
import { walkPath, type Walked } from './path-walk.js';
import { isDirNode, type Tree } from './tree.js';

/** A mount point that the tree must offer. */
export interface Synthetic {
  /** Absolute, in the image; symlinks are followed inside it. */
  readonly path: string;
  readonly kind: 'dir' | 'file';
}

/**
 * Makes a mount point, with missing parents, unless the path exists. It owes nothing to the
 * layer: no time of a directory changes, and it is left out as long as nobody changes it.
 * UserError TSB_BUILD for a path that leads nowhere.
 */
export function addSynthetic(tree: Tree, { path, kind }: Synthetic): void {
  const walked = walk(tree, path);
  if (walked.kind === 'found') return;
  let { parent } = walked;
  const names: ByteName[] = [];
  for (const name of walked.names) {
    if (name === '' || name === '.') continue;
    // Behind a missing name, `..` can only mean the name before it, as for mkdir -p.
    if (name === '..') names.pop();
    else names.push(name);
  }
  for (const [i, name] of names.entries()) {
    const isDir = kind === 'dir' || i < names.length - 1;
    const node = isDir
      ? tree.newNode(S_IFDIR | 0o755, new Directory([], 0))
      : tree.newNode(S_IFREG | 0o644);
    node.synthetic = true;
    stampNew(node, tree.now());
    tree.attach(parent, name, node);
    if (isDirNode(node)) parent = node;
  }
}

function walk(tree: Tree, path: string): Walked {
  try {
    return walkPath(tree, byteNameOf(path), true);
  } catch (error) {
    if (!hasCode(error, 'ENOTDIR', 'ELOOP')) throw error;
    const found = hasCode(error, 'ELOOP') ? 'a loop of symbolic links' : 'a file on the way';
    throw new UserError('TSB_BUILD', `Cannot mount on "${path}": found ${found}`, { cause: error });
  }
}
