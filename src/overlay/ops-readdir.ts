import type { DirSink } from '../fuse/filesystem.js';
import { DT_DIR, S_IFREG, direntType } from '../sys/constants.js';
import { isSystemError } from '../sys/errno.js';
import { byteNameOf, type ByteName } from '../util/byte-name.js';
import { Node, typeOf } from './node.js';
import type { DirNode, Tree } from './tree.js';

const DOT = byteNameOf('.');
const DOT_DOT = byteNameOf('..');

/** What cannot be loaded is listed by its name: whoever looks it up gets the error. */
function tryLookup(tree: Tree, node: DirNode, name: ByteName): ReturnType<Tree['peek']> {
  try {
    return tree.lookup(node, name);
  } catch (error) {
    if (!isSystemError(error)) throw error;
    return tree.peek(node, name);
  }
}

/**
 * A file that the kernel knows may be written and dropped before it takes the entry: it would
 * believe the size in it, as its own, for ever (writeback cache). Listed by its name only.
 */
function mayBeWritten({ mode, nlookup }: Node): boolean {
  return nlookup > 0 && typeOf(mode) === S_IFREG;
}

/** Lists a directory behind `offset` (0: from the start) into `sink`. */
export function readDirectory(tree: Tree, node: DirNode, offset: number, sink: DirSink): void {
  if (node.links === 0) return;
  if (offset < 1) {
    if (!sink.add({ name: DOT, ino: node.ino, type: DT_DIR, nextOffset: 1 })) return;
  }
  if (offset < 2) {
    const { ino } = node.link?.parent ?? node;
    if (!sink.add({ name: DOT_DOT, ino, type: DT_DIR, nextOffset: 2 })) return;
  }
  tree.listing(node).visit(offset, (name, cookie) => {
    // Only what the kernel will refer to is loaded.
    const child = sink.plus ? tryLookup(tree, node, name) : tree.peek(node, name);
    if (child === undefined) return true;
    const entry = { name, ino: child.ino, type: direntType(child.mode), nextOffset: cookie };
    if (!(child instanceof Node) || mayBeWritten(child)) return sink.add(entry);
    return sink.add(entry, () => {
      child.nlookup += 1;
      tree.contents.measure(child);
      return child;
    });
  });
}
