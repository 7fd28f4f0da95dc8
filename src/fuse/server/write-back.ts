import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import type { Fd } from '../../sys/fd.js';
import { read, write } from '../../sys/file.js';
import { pipe } from '../../sys/pipe.js';

const PROCESS = fileURLToPath(new URL('write-back-process.js', import.meta.url));
const DONE = '1'.charCodeAt(0);

/** An inode of a mount that the process `pid` has open; `dev` is as in `Statx`. */
export interface OpenInode {
  readonly pid: number;
  readonly dev: string;
  readonly ino: number;
}

/**
 * A process that has the kernel write an inode's dirty pages back, while this one serves the
 * WRITEs: see write-back-process.ts. Ask for one inode at a time.
 */
export class WriteBack implements Disposable {
  /** Readable when there is an answer, or the process has died. */
  readonly answers: Fd;
  readonly #requests: { readonly read: Fd; readonly write: Fd };

  private constructor(requests: { readonly read: Fd; readonly write: Fd }, answers: Fd) {
    this.#requests = requests;
    this.answers = answers;
  }

  /** Starts the process; returns at once. */
  static start(): WriteBack {
    const requests = pipe();
    const answers = pipe();
    // Out of the terminal's reach: Ctrl-C is not for it.
    const child: ChildProcess = spawn(process.execPath, [PROCESS], {
      detached: true,
      cwd: '/',
      stdio: [requests.read.raw, answers.write.raw, 'inherit'],
    });
    child.on('error', () => undefined);
    child.unref();
    answers.write.close();
    return new WriteBack(requests, answers.read);
  }

  /** Asks for the inode to be written back. */
  ask({ pid, dev, ino }: OpenInode): void {
    // The pipe's other end is open here, too: no SIGPIPE when the process has died.
    write(this.#requests.write, Buffer.from(`${pid} ${dev} ${ino}\n`));
  }

  /** Waits for the answer; false: the inode was not found, or not written. */
  answer(): boolean {
    const byte = Buffer.alloc(1);
    return read(this.answers, byte) === 1 && byte[0] === DONE;
  }

  [Symbol.dispose](): void {
    this.#requests.read[Symbol.dispose]();
    this.#requests.write[Symbol.dispose]();
    this.answers[Symbol.dispose]();
  }
}
