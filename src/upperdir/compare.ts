import { Node } from '../overlay/node.js';

/** What a node still shares with the inode that it was loaded from. */
export interface Sameness {
  readonly content: boolean;
  readonly metadata: boolean;
}

const NEW: Sameness = { content: false, metadata: false };

/** Compares a node with its origin. */
export function sameAsOrigin(node: Node): Sameness {
  const { origin } = node;
  if (origin === undefined) return NEW;
  if (!node.changed) return { content: true, metadata: true };
  const before = new Node(0, node.mode);
  origin.layer.load(origin.handle, before);
  return { content: sameContent(node, before), metadata: sameMetadata(node, before) };
}

function sameContent(a: Node, b: Node): boolean {
  if (a.size !== b.size) return false;
  if (a.content === undefined || b.content === undefined) return a.content === b.content;
  return (
    a.content.kind === 'plain' &&
    b.content.kind === 'plain' &&
    a.content.path.equals(b.content.path)
  );
}

function sameMetadata(a: Node, b: Node): boolean {
  return (
    a.mode === b.mode &&
    a.uid === b.uid &&
    a.gid === b.gid &&
    a.mtimeSec === b.mtimeSec &&
    a.mtimeNsec === b.mtimeNsec &&
    a.atimeSec === b.atimeSec &&
    a.atimeNsec === b.atimeNsec &&
    sameXattrs(a, b)
  );
}

function sameXattrs({ xattrs: a }: Node, { xattrs: b }: Node): boolean {
  if (a?.size !== b?.size) return false;
  for (const [name, value] of a ?? []) {
    if (b?.get(name)?.equals(value) !== true) return false;
  }
  return true;
}
