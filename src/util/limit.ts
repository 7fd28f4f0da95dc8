/** Lets at most `max` pieces of work run at the same time; the others wait in order. */
export class Limit {
  readonly #max: number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** Runs `work` when there is room for it. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#max) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else {
      this.#running++;
    }
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      // The place passes on to the next one; the count stays.
      if (next === undefined) this.#running--;
      else next();
    }
  }
}
