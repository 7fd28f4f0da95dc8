import type { Statx } from '../sys/stat.js';

/**
 * Remembers the SHA-256 of files by what changes when their content does: device, inode, size,
 * mtime and ctime.
 */
export interface ContentMemo {
  find(stat: Statx): string | undefined;
  add(stat: Statx, digest: string): void;
}

/** Files that changed this recently may change again with the same time stamp: not remembered. */
export const SETTLED_AFTER_MS = 1000;

/** What identifies a state of a file's content. */
export function memoKey(stat: Statx): string {
  const { dev, ino, size, mtimeSec, mtimeNsec, ctimeSec, ctimeNsec } = stat;
  return `${dev} ${ino} ${size} ${mtimeSec}.${mtimeNsec} ${ctimeSec}.${ctimeNsec}`;
}

/** A memo in memory. `entries` are what an earlier one's {@link MapMemo.used} gave. */
export class MapMemo implements ContentMemo {
  readonly #known: ReadonlyMap<string, string>;
  readonly #used = new Map<string, string>();
  readonly #nowMs: () => number;
  #grew = false;

  constructor(entries: Iterable<readonly [string, string]>, nowMs: () => number = Date.now) {
    this.#known = new Map(entries);
    this.#nowMs = nowMs;
  }

  /** Whether something was added that `entries` did not have. */
  get grew(): boolean {
    return this.#grew;
  }

  /** What was found or added: files that are no longer copied drop out. */
  get used(): ReadonlyMap<string, string> {
    return this.#used;
  }

  find(stat: Statx): string | undefined {
    const key = memoKey(stat);
    const digest = this.#known.get(key) ?? this.#used.get(key);
    if (digest !== undefined) this.#used.set(key, digest);
    return digest;
  }

  add(stat: Statx, digest: string): void {
    const changedMs = Math.max(stat.ctimeSec, stat.mtimeSec) * 1000;
    if (this.#nowMs() - changedMs < SETTLED_AFTER_MS + 1000) return;
    this.#used.set(memoKey(stat), digest);
    this.#grew = true;
  }
}
