import type { LayerId } from '../layer/types.js';
import type { Store } from '../store/store.js';
import { Limit } from '../util/limit.js';
import type { StageLayer } from './state.js';

/** Measures the tars of new layers in threads of their own, beside the steps that follow. */
export class LayerPacker {
  readonly #store: Store;
  readonly #signal: AbortSignal;
  readonly #limit: Limit;

  constructor(store: Store, { signal, jobs }: { signal: AbortSignal; jobs: number }) {
    this.#store = store;
    this.#signal = signal;
    this.#limit = new Limit(jobs);
  }

  /** Starts to measure a published layer; the store learns the result. */
  measure(id: LayerId): StageLayer {
    const digest = this.#limit.run(() => this.#store.layerBlobs.measure(id, this.#signal));
    // Whoever needs the digest awaits it; a failed build may not.
    digest.catch(() => undefined);
    return { id, digest, descriptor: undefined };
  }
}
