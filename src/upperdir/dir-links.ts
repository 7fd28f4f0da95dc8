import type { Attr, DirSink, Entry, FileSystem } from '../fuse/filesystem.js';
import { isDirMode } from '../overlay/node.js';

/** The same file system with a link count of 1 for every directory that has a name. */
export function withoutDirLinks(fileSystem: FileSystem): FileSystem {
  let fs = fileSystem;
  fs = withResult(fs, 'lookup', (entry: Entry | undefined) => entry && shownEntry(entry));
  fs = withResult(fs, 'mkdir', shownEntry);
  fs = withResult(fs, 'getattr', shownAttr);
  fs = withResult(fs, 'setattr', shownAttr);
  const readdir = fs.readdir?.bind(fs);
  if (readdir === undefined) return fs;
  return {
    ...fs,
    readdir: (nodeid, fh, offset, sink) => readdir(nodeid, fh, offset, shownSink(sink)),
  };
}

function shownAttr(attr: Attr): Attr {
  if (!isDirMode(attr.mode) || attr.nlink === 0) return attr;
  // Not a copy: attributes may be getters.
  return Object.create(attr, { nlink: { value: 1 } }) as Attr;
}

function shownEntry(entry: Entry): Entry {
  const { nodeid, attr, attrTimeoutSec } = entry;
  if (!isDirMode(attr.mode)) return entry;
  return { nodeid, attr: shownAttr(attr), ...(attrTimeoutSec !== undefined && { attrTimeoutSec }) };
}

function shownSink(sink: DirSink): DirSink {
  return {
    plus: sink.plus,
    add: (entry, lookup) => sink.add(entry, lookup && (() => shownEntry(lookup()))),
  };
}

/** The same with the results of one operation changed, if there is that operation. */
function withResult<R>(
  fs: FileSystem,
  operation: 'lookup' | 'mkdir' | 'getattr' | 'setattr',
  change: (result: R) => R,
): FileSystem {
  const handlers: Partial<Record<typeof operation, unknown>> = { ...fs };
  const handler = handlers[operation];
  if (typeof handler !== 'function') return fs;
  const changed = (...args: unknown[]): unknown => {
    const result: unknown = Reflect.apply(handler, fs, args);
    return result instanceof Promise ? result.then(change) : change(result as R);
  };
  return { ...fs, [operation]: changed };
}
