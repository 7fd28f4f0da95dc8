/**
 * Undoes what a function acquired, last first. `move()` hands the duty to somebody else once
 * everything has succeeded. Disposal runs every entry and throws the first failure.
 */
export class Cleanup implements AsyncDisposable {
  #entries: (() => void | Promise<void>)[] = [];

  /** Registers `undo` to run at disposal. */
  defer(undo: () => void | Promise<void>): void {
    this.#entries.push(undo);
  }

  /** Registers a resource for disposal and returns it. */
  use<T extends Disposable | AsyncDisposable>(resource: T): T {
    this.defer(() =>
      Symbol.asyncDispose in resource
        ? (resource[Symbol.asyncDispose]() as Promise<void>)
        : resource[Symbol.dispose](),
    );
    return resource;
  }

  /** Leaves this one empty; the returned one has the entries. */
  move(): Cleanup {
    const moved = new Cleanup();
    moved.#entries = this.#entries;
    this.#entries = [];
    return moved;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const entries = this.#entries.reverse();
    this.#entries = [];
    const failures: unknown[] = [];
    for (const undo of entries) {
      try {
        await undo();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}
