import { S_IFDIR, S_IFMT, direntType } from '../sys/constants.js';
import { byteNameOf } from '../util/byte-name.js';
import type { Attr, DirSink, Entry } from './filesystem.js';

const BLOCK_BYTES = 512;

/**
 * Complete attributes out of those that matter. By default the owner is this process's user,
 * there is one name (a directory counts two), all times are 1970, and the blocks follow from
 * the size.
 */
export function attributes(known: Partial<Attr> & Pick<Attr, 'ino' | 'mode'>): Attr {
  const { size = 0, mode } = known;
  return {
    size,
    blocks: Math.ceil(size / BLOCK_BYTES),
    nlink: (mode & S_IFMT) === S_IFDIR ? 2 : 1,
    uid: process.getuid?.() ?? 0,
    gid: process.getgid?.() ?? 0,
    rdev: 0,
    blksize: 4096,
    atimeSec: 0,
    atimeNsec: 0,
    mtimeSec: 0,
    mtimeNsec: 0,
    ctimeSec: 0,
    ctimeNsec: 0,
    ...known,
  };
}

/** A name for {@link listNames}. */
export interface ListedName {
  /** Any text; its UTF-8 bytes are the name. */
  readonly name: string;
  readonly ino: number;
  /** Its type bits count. */
  readonly mode: number;
  /** Called if the kernel wants the attributes at once; counts a lookup. May be left out. */
  readonly lookup?: () => Entry;
}

/**
 * Answers `readdir` from a list that does not change while it is read: gives what fits of the
 * names behind `offset` to the sink.
 */
export function listNames(sink: DirSink, offset: number, names: readonly ListedName[]): void {
  for (const [i, { name, ino, mode, lookup }] of names.entries()) {
    if (i < offset) continue;
    const entry = { name: byteNameOf(name), ino, type: direntType(mode), nextOffset: i + 1 };
    if (!sink.add(entry, lookup)) return;
  }
}
