import fs from 'node:fs';

import { O_CREAT, O_RDONLY, O_TRUNC, O_WRONLY } from '../sys/constants.js';
import { renameat2 } from '../sys/directory.js';
import { fsync, openat, write } from '../sys/file.js';
import type { ByteName } from '../util/byte-name.js';
import { UserError, hasCode } from '../util/errors.js';
import type { Metadata } from './metadata.js';
import { join } from './upper-format.js';

/*
 * What is to be done to an upper directory once everything new lies ready beside it: JSON lines,
 * a header, the changes in order, an end with their number. From the moment that it is there
 * until it is removed, the upper directory is "the journal applied", however often that has to
 * be begun.
 */

const VERSION = 1;
const NAME = 'journal';

/** One step; `at` is a path in the upper directory, without a leading slash. */
export type Change =
  /** `staged`, a name in the stage, goes there, instead of what is there. */
  | { readonly kind: 'place'; readonly at: ByteName; readonly staged: string }
  | { readonly kind: 'remove'; readonly at: ByteName }
  | { readonly kind: 'meta'; readonly at: ByteName; readonly metadata: Metadata };

/**
 * Whom a journal is for: the inode number of the upper directory. The device is the journal's
 * own, and its number may be another one when the machine starts again.
 */
export interface Journal {
  readonly upper: number;
  readonly changes: readonly Change[];
}

/** Writes a journal into a directory: it is there as a whole, or not. */
export function writeJournal(dir: Buffer, { upper, changes }: Journal, isSynced: boolean): void {
  const temporary = join(dir, `${NAME}.new`);
  {
    using fd = openat(undefined, temporary, O_WRONLY | O_CREAT | O_TRUNC);
    const lines = [{ version: VERSION, upper }, ...changes, { end: changes.length }];
    write(fd, Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join('')));
    if (isSynced) fsync(fd);
  }
  renameat2(undefined, temporary, undefined, join(dir, NAME));
  if (!isSynced) return;
  using dirFd = openat(undefined, dir, O_RDONLY);
  fsync(dirFd);
}

/** The journal of a directory; undefined: there is none. Throws TSB_BUILD if it is damaged. */
export function readJournal(dir: Buffer): Journal | undefined {
  let text: string;
  try {
    text = fs.readFileSync(join(dir, NAME), 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
  try {
    const [header, ...lines] = text.trimEnd().split('\n');
    const { version, upper } = JSON.parse(header ?? '') as { version: number; upper: number };
    const { end } = JSON.parse(lines.pop() ?? '') as { end?: number };
    if (version !== VERSION || end !== lines.length) throw new Error(`found version ${version}`);
    return { upper, changes: lines.map((line) => checkedChange(JSON.parse(line) as Change)) };
  } catch (error) {
    const file = fs.realpathSync(join(dir, NAME));
    const message = `Cannot finish what an earlier mount has written: '${file}' is damaged`;
    throw new UserError('TSB_BUILD', message, { cause: error });
  }
}

/** Throws where a change would reach out of the upper directory or the stage. */
function checkedChange(change: Change): Change {
  const { at, kind } = change;
  const isInside = !at.split('/').some((name) => name === '..' || name === '.');
  if (!isInside || (kind === 'place' && !/^\d+$/.test(change.staged))) {
    throw new Error(`found a change of '${at}'`);
  }
  return change;
}

/** Removes the journal of a directory. */
export function removeJournal(dir: Buffer): void {
  fs.rmSync(join(dir, NAME), { force: true });
}
