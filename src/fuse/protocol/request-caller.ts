import { FsError } from '../../sys/errno.js';
import type { Caller } from '../filesystem.js';

/** Who sent a request, and whether the caller has given up on it since. */
export class RequestCaller implements Caller {
  readonly uid: number;
  readonly gid: number;
  readonly pid: number;
  #controller: AbortController | undefined;
  #isInterrupted = false;

  constructor(uid: number, gid: number, pid: number) {
    this.uid = uid;
    this.gid = gid;
    this.pid = pid;
  }

  // Made when it is asked for: most handlers never do.
  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#isInterrupted) this.#abort();
    return this.#controller.signal;
  }

  get isInterrupted(): boolean {
    return this.#isInterrupted;
  }

  /** The caller got a signal that ends its call. Idempotent. */
  interrupt(): void {
    this.#isInterrupted = true;
    this.#abort();
  }

  #abort(): void {
    this.#controller?.abort(new FsError('EINTR', 'interrupt'));
  }
}
