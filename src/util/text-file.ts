import fs from 'node:fs';
import { UserError } from './errors.js';

/** Far beyond any text that somebody has written; and what a device never ends before. */
const TEXT_BYTES_MAX = 16 * 1024 * 1024;

/**
 * The text of the file at `path`, which may come from others: never waits for the writer of a
 * FIFO. Throws TSB_CONTEXT for what is not a regular file, TSB_LIMIT for a large one, else as
 * Node does.
 */
export function readTextFile(path: string): string {
  const fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
  try {
    const stat = fs.fstatSync(fd);
    if (!stat.isFile()) {
      throw new UserError('TSB_CONTEXT', `Cannot read "${path}": it is not a regular file`);
    }
    if (stat.size > TEXT_BYTES_MAX) {
      const found = `${stat.size} bytes, want at most ${TEXT_BYTES_MAX}`;
      throw new UserError('TSB_LIMIT', `Cannot read "${path}": ${found}`);
    }
    return fs.readFileSync(fd, 'utf8');
  } finally {
    fs.closeSync(fd);
  }
}
