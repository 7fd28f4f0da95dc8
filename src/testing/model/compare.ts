import { SEEK_DATA } from '../../sys/constants.js';
import type { Time } from '../../fuse/filesystem.js';
import type { ModelEntry, ModelStat, Operation, Outcome } from './operations.js';

/** Says whether a time that the model has is what a file system shows. */
export type SameTime = (model: Time, found: Time) => boolean;

/** Both the same. */
export const exactTime: SameTime = (model, found) =>
  model.sec === found.sec && model.nsec === found.nsec;

/**
 * Compares what a file system answered with what the model did. Inode numbers are the file
 * system's own: the same file must always have the same one, and no two files share one.
 */
export class Comparison {
  readonly #sameTime: SameTime;
  readonly #inoOf = new Map<number, number>();
  readonly #idOf = new Map<number, number>();

  constructor(sameTime: SameTime) {
    this.#sameTime = sameTime;
  }

  /** Forgets the numbers of files that are gone: they may be given out again. */
  keep(isAlive: (id: number) => boolean): void {
    for (const [id, ino] of this.#inoOf) {
      if (isAlive(id)) continue;
      this.#inoOf.delete(id);
      this.#idOf.delete(ino);
    }
  }

  /** A new mount has new numbers. */
  forgetNumbers(): void {
    this.#inoOf.clear();
    this.#idOf.clear();
  }

  /** What differs; undefined: nothing. */
  difference(operation: Operation, want: Outcome, found: Outcome): string | undefined {
    if (want.error !== found.error) {
      return `answers ${found.error ?? 'success'}, want ${want.error ?? 'success'}`;
    }
    if (operation.op === 'lseek') return differentSeek(operation, want, found);
    return (
      differentBytes(want.bytes, found.bytes) ??
      different('text', want.text, found.text) ??
      different('names', want.names?.join(' '), found.names?.join(' ')) ??
      different('count', want.count, found.count) ??
      this.#differentStat(operation, want.stat, found.stat) ??
      this.#differentEntries(want, found)
    );
  }

  #sameInode(id: number, ino: number): boolean {
    const knownIno = this.#inoOf.get(id);
    const knownId = this.#idOf.get(ino);
    if (knownIno === undefined && knownId === undefined) {
      this.#inoOf.set(id, ino);
      this.#idOf.set(ino, id);
      return true;
    }
    return knownIno === ino && knownId === id;
  }

  #differentStat(
    operation: Operation,
    want: ModelStat | undefined,
    found: ModelStat | undefined,
  ): string | undefined {
    if (want === undefined || found === undefined) return undefined;
    const isDir = (want.mode & 0o170000) === 0o040000;
    for (const field of FIELDS) {
      if (field === 'size' && isDir) continue;
      if (want[field] !== found[field]) return different(field, want[field], found[field]);
    }
    for (const field of TIMES) {
      const [model, time] = [want[field], found[field]];
      // Reading changes the time of access now and then.
      if (field === 'atime' && operation.op !== 'utimens' && operation.op !== 'futimens') continue;
      if (model === undefined || time === undefined || this.#sameTime(model, time)) continue;
      return different(field, format(model), format(time));
    }
    if (this.#sameInode(want.ino, found.ino)) return undefined;
    return `ino is ${found.ino}: it was ${this.#inoOf.get(want.ino) ?? 'that of another file'}`;
  }

  #differentEntries(model: Outcome, { entries: found }: Outcome): string | undefined {
    if (model.entries === undefined || found === undefined) return undefined;
    const hasDots = found.some(({ name }) => name === '.');
    const want = model.entries.filter(({ name }) => hasDots || (name !== '.' && name !== '..'));
    const names = (list: readonly ModelEntry[]): string =>
      list
        .map(({ name }) => name)
        .sort()
        .join(' ');
    if (names(want) !== names(found)) return different('names', names(want), names(found));
    const byName = new Map(found.map((entry) => [entry.name, entry]));
    for (const { name, ino, type } of want) {
      const entry = byName.get(name);
      if (entry?.type !== type) return different(`type of '${name}'`, type, entry?.type);
      if (!this.#sameInode(ino, entry.ino)) return `d_ino of '${name}' is ${entry.ino}`;
    }
    return undefined;
  }
}

const FIELDS = ['mode', 'uid', 'gid', 'nlink', 'size', 'rdevMajor', 'rdevMinor'] as const;
const TIMES = ['mtime', 'ctime', 'atime'] as const;

function format({ sec, nsec }: Time): string {
  return `${sec}.${String(nsec).padStart(9, '0')}`;
}

function different(
  what: string,
  want: string | number | undefined,
  found: string | number | undefined,
): string | undefined {
  if (want === found) return undefined;
  return `${what} is ${String(found)}, want ${String(want)}`;
}

function differentBytes(want: Buffer | undefined, found: Buffer | undefined): string | undefined {
  if (want === undefined || found === undefined) return undefined;
  if (want.equals(found)) return undefined;
  const length = Math.min(want.length, found.length);
  let at = 0;
  while (at < length && want[at] === found[at]) at += 1;
  const [a, b] = [found, want].map((bytes) => bytes.toString('latin1', at, at + 8));
  return `bytes differ at ${at} (${JSON.stringify(a)}, want ${JSON.stringify(b)}; ${found.length} bytes, want ${want.length})`;
}

/** A hole may be smaller than it could be, but there is nothing in it. */
function differentSeek(
  { offset, whence }: Operation & { op: 'lseek' },
  { bytes }: Outcome,
  { position, skipped }: Outcome,
): string | undefined {
  if (bytes === undefined || skipped === true || position === undefined) return undefined;
  if (position < offset || position > bytes.length) return `position is ${position}`;
  if (whence === SEEK_DATA) {
    return isZero(bytes.subarray(offset, position)) ? undefined : `skips data: ${position}`;
  }
  if (position === bytes.length || bytes[position] === 0) return undefined;
  return `finds a hole where data is: ${position}`;
}

function isZero(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === 0);
}
