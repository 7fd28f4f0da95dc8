import { withShortPath } from '../sys/deep-path.js';
import { renameat2 } from '../sys/directory.js';
import { fstatat } from '../sys/stat.js';
import { hasCode } from '../util/errors.js';
import type { Change } from './journal.js';
import { attemptForGood, type Loss } from './loss.js';
import { applyMetadata } from './metadata.js';
import { join } from './upper-format.js';

/** Where changes are applied: all on one file system. */
export interface ApplyDirs {
  readonly upper: Buffer;
  /** Has what is placed. */
  readonly stage: Buffer;
  /** Takes what is removed. */
  readonly trash: Buffer;
}

/**
 * Applies changes in order; what has been applied before is left as it is. Returns the files
 * whose metadata the file system does not take.
 */
export function applyChanges(
  changes: readonly Change[],
  dirs: ApplyDirs,
  beforeChange?: (index: number) => void,
): Loss[] {
  const losses: Loss[] = [];
  for (const [index, change] of changes.entries()) {
    beforeChange?.(index);
    const path = change.at === '' ? dirs.upper : join(dirs.upper, change.at);
    switch (change.kind) {
      case 'place':
        place(join(dirs.stage, change.staged), path, join(dirs.trash, String(index)));
        break;
      case 'remove':
        if (exists(path)) rename(path, join(dirs.trash, String(index)));
        break;
      case 'meta': {
        const loss = attemptForGood(change.at, () => applyMetadata(path, change.metadata));
        if (loss !== undefined) losses.push(loss);
        break;
      }
    }
  }
  return losses;
}

function place(staged: Buffer, path: Buffer, trash: Buffer): void {
  if (!exists(staged)) return;
  try {
    rename(staged, path);
  } catch (error) {
    // One of both is a directory.
    if (!hasCode(error, 'EISDIR', 'ENOTDIR', 'ENOTEMPTY', 'EEXIST')) throw error;
    rename(path, trash);
    rename(staged, path);
  }
}

function exists(path: Buffer): boolean {
  return withShortPath(path, (at) => fstatat(undefined, at)) !== undefined;
}

function rename(from: Buffer, to: Buffer): void {
  withShortPath(from, (a) => withShortPath(to, (b) => renameat2(undefined, a, undefined, b)));
}
