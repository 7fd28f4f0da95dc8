import { rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { hasCode, messageOf, UserError } from '../src/util/errors.js';

/**
 * Removes what an earlier build left at `file`, so that it is not taken for this one's, and
 * throws TSB_OUTPUT where a report cannot be written: before the work, not after it.
 */
export function prepareReport(file: string): void {
  const dir = path.dirname(file);
  if (statSync(dir, { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw cannotWrite(file, `there is no directory "${dir}"`);
  }
  if (statSync(file, { throwIfNoEntry: false })?.isDirectory() === true) {
    throw cannotWrite(file, 'it is a directory');
  }
  explained(file, () => {
    rmSync(file, { force: true });
  });
}

/** Writes a report; a failure is TSB_OUTPUT, or TSB_NO_SPACE. */
export function writeReport(file: string, text: string): void {
  explained(file, () => {
    writeFileSync(file, text);
  });
}

function explained(file: string, write: () => void): void {
  try {
    write();
  } catch (error) {
    if (hasCode(error, 'ENOSPC', 'EDQUOT')) {
      throw new UserError('TSB_NO_SPACE', `Cannot write "${file}": the disk or quota is full`, {
        cause: error,
      });
    }
    throw cannotWrite(file, messageOf(error), error);
  }
}

function cannotWrite(file: string, found: string, cause?: unknown): UserError {
  return new UserError('TSB_OUTPUT', `Cannot write "${file}": ${found}`, { cause });
}
