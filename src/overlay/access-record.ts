import type { ByteName } from '../util/byte-name.js';

/**
 * How a path of the lower layers, as the image showed it at first, was used. Bits:
 * `lookup`: it was found, or known to be there. `absent`: it was found missing.
 * `stat`: any attribute may have been seen, as with every name that was looked up; of a directory
 * that includes its number of subdirectories. `list`: the names and types in a directory. `read`: the content of a file.
 * `readlink`: the target. `xattr`: the extended attributes, also those that are not there.
 * `write`: it was changed, so that the new layer has it; what else of it the layer took over is
 * marked, too (of a directory whose entries changed: mode, owner and attributes, without a mark).
 * `remove`: the name was removed or replaced. `move`: the name was moved; of a directory, the
 * new layer has all that was below it.
 */
export const ACCESS = {
  lookup: 1,
  absent: 2,
  stat: 4,
  list: 8,
  read: 16,
  readlink: 32,
  xattr: 64,
  write: 128,
  remove: 256,
  move: 512,
} as const;
/** A sum of {@link ACCESS}. */
export type Access = number;

/** A name, how it was used (0: only names below it were), and what was used below it. */
export type AccessNode = readonly [name: ByteName, access: Access, below?: readonly AccessNode[]];

/** All uses of lower layers, as a tree from the root, whose name is empty; sorted by name. */
export interface AccessRecord {
  readonly version: 1;
  readonly root: AccessNode;
}

/** What is known of one path while it is being recorded. */
export class AccessEntry {
  access: Access = 0;
  #below: Map<ByteName, AccessEntry> | undefined;

  /** The entry of a name in this directory; makes it. */
  child(name: ByteName): AccessEntry {
    this.#below ??= new Map();
    let entry = this.#below.get(name);
    if (entry === undefined) {
      entry = new AccessEntry();
      this.#below.set(name, entry);
    }
    return entry;
  }

  /** Undefined: nothing was used here or below. */
  encode(name: ByteName): AccessNode | undefined {
    const below: AccessNode[] = [];
    for (const [each, entry] of this.#below ?? []) {
      const encoded = entry.encode(each);
      if (encoded !== undefined) below.push(encoded);
    }
    if (below.length === 0) return this.access === 0 ? undefined : [name, this.access];
    return [name, this.access, below.sort(([a], [b]) => (a < b ? -1 : 1))];
  }
}

/** Every path (absolute) that was used, and how; a directory before what is in it. */
export function* accessedPaths({ root }: AccessRecord): Generator<[ByteName, Access]> {
  yield* pathsBelow(root, '');
}

function* pathsBelow(
  [name, access, below = []]: AccessNode,
  parent: string,
): Generator<[ByteName, Access]> {
  const path = name === '' ? '' : `${parent}/${name}`;
  if (access !== 0) yield [(path === '' ? '/' : path) as ByteName, access];
  for (const node of below) yield* pathsBelow(node, path);
}

/** The names of an access's bits, for people. */
export function accessNames(access: Access): string[] {
  return Object.entries(ACCESS)
    .filter(([, bit]) => (access & bit) !== 0)
    .map(([name]) => name);
}
