/*
 * Writes dirty pages of a mount back for its server, which cannot: it would have to wait for
 * itself. Takes lines `<pid> <dev> <ino>` from its standard input, one at a time; finds the inode
 * among the files that the process `pid` has open, and answers with one byte (see Answer).
 *
 * INVARIANT: it has no descriptor of /dev/fuse. When the server is killed, the connection ends,
 * and with it the wait for the pages, which no signal interrupts.
 */
import fs from 'node:fs';

import { O_RDONLY, SIGKILL } from '../../sys/constants.js';
import type { Fd } from '../../sys/fd.js';
import { openat, writeBack } from '../../sys/file.js';
import { setParentDeathSignal } from '../../sys/process.js';
import { fstatat } from '../../sys/stat.js';
import { FsError } from '../../sys/errno.js';

const REPLIES = 1;

/** An inode, as the file of somebody. */
interface Target {
  readonly pid: string;
  readonly dev: string;
  readonly ino: number;
}

function openFile({ pid, dev, ino }: Target): Fd | undefined {
  const dir = `/proc/${pid}/fd`;
  for (const name of fs.readdirSync(dir)) {
    // The answer of the kernel alone: another file system's server may be dead.
    const stat = fstatat(undefined, `${dir}/${name}`, { follow: true, cached: true });
    if (stat?.ino === ino && stat.dev === dev) {
      return openat(undefined, `${dir}/${name}`, O_RDONLY);
    }
  }
  return undefined;
}

function isWrittenBack(target: Target): boolean {
  try {
    const file = openFile(target);
    if (file === undefined) return false;
    try {
      writeBack(file);
      return true;
    } finally {
      // In a thread: it may wait for the lock that the process holds whose answer this is.
      fs.close(file.release());
    }
  } catch (error) {
    if (error instanceof FsError || (error as NodeJS.ErrnoException).code !== undefined) {
      return false;
    }
    throw error;
  }
}

setParentDeathSignal(SIGKILL);
process.stdin.setEncoding('latin1').on('data', (line: string) => {
  const [pid = '', dev = '', ino = ''] = line.trim().split(' ');
  const answer = isWrittenBack({ pid, dev, ino: Number(ino) }) ? '1' : '0';
  fs.writeSync(REPLIES, answer);
});
