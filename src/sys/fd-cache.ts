import type { Fd } from './fd.js';

/** Open descriptors by key; opens at most `size` and closes the least recently used. */
export class FdCache implements Disposable {
  readonly #fds = new Map<string, Fd>();
  readonly #size: number;

  constructor(size: number) {
    this.#size = size;
  }

  /** The descriptor of `key`, from `open` if there is none. Borrowed: valid until the next get. */
  get(key: string, open: () => Fd): Fd {
    let fd = this.#fds.get(key);
    if (fd !== undefined) {
      this.#fds.delete(key);
      this.#fds.set(key, fd);
      return fd;
    }
    fd = open();
    this.put(key, fd);
    return fd;
  }

  /** Takes over a descriptor. */
  put(key: string, fd: Fd): void {
    this.drop(key);
    if (this.#fds.size >= this.#size) {
      for (const oldest of this.#fds.keys()) {
        this.drop(oldest);
        break;
      }
    }
    this.#fds.set(key, fd);
  }

  /** Closes the descriptor of `key`, if it is open. */
  drop(key: string): void {
    this.#fds.get(key)?.close();
    this.#fds.delete(key);
  }

  [Symbol.dispose](): void {
    for (const fd of this.#fds.values()) fd.close();
    this.#fds.clear();
  }
}
