import fs from 'node:fs';
import { CacheMountsImport } from '../output/import-cache-mounts.js';
import type { CacheMountKey } from '../store/cache-mounts.js';
import type { Store } from '../store/store.js';
import type { Source } from '../secrets/pattern-search.js';
import type { Progress } from './progress.js';
import type { SecretGuard } from './secret-guard.js';

/** Where cache mounts come from and go to; see `--cache-mounts-import` and `-export`. */
export interface CacheTransferOptions {
  /** Directories; the first one that has a cache counts. */
  readonly importFrom: readonly string[];
  readonly exportTo: string | undefined;
}

/** The cache mounts that a build names: begun with imported files, exported at its end. */
export class CacheTransfer {
  readonly #options: CacheTransferOptions;
  readonly #store: Store;
  readonly #progress: Progress;
  readonly #named = new Map<string, CacheMountKey>();
  #imports: Promise<readonly CacheMountsImport[]> | undefined;

  constructor(store: Store, progress: Progress, options: CacheTransferOptions) {
    this.#store = store;
    this.#progress = progress;
    this.#options = options;
  }

  /** Says that a RUN names a cache, whether or not it is carried out. */
  name(key: CacheMountKey): void {
    this.#named.set(JSON.stringify([key.id, key.base]), key);
  }

  /** Puts what was imported into the empty directory of a new cache; false: nothing was. */
  async fill(key: CacheMountKey, dir: string, signal: AbortSignal): Promise<boolean> {
    this.#imports ??= this.#open();
    for (const imported of await this.#imports) {
      if (!imported.has(key)) continue;
      const work = this.#store.temporaryPath();
      try {
        return await imported.fill(key, dir, { work, signal });
      } finally {
        fs.rmSync(work, { recursive: true, force: true });
      }
    }
    return false;
  }

  /** Exports the caches that were named, as they are now, unless secrets are in them. */
  async export(guard: SecretGuard, signal: AbortSignal): Promise<void> {
    const { exportTo: dest } = this.#options;
    if (dest === undefined) return;
    const { exportCacheMounts } = await import('../output/export-cache-mounts.js');
    const name = `exporting cache mounts to ${dest}`;
    const vertex = this.#progress.add({ kind: 'export', name });
    await this.#progress.run(vertex, async (running) => {
      const keys = [...this.#named.values()];
      const secretsIn = (source: Source): string[] => guard.forbiddenIn(source);
      const options = { dest, keys, secretsIn, signal };
      const { bytes } = await exportCacheMounts(this.#store, options);
      running.progress('bytes', bytes);
    });
  }

  async #open(): Promise<CacheMountsImport[]> {
    const opened: CacheMountsImport[] = [];
    for (const dir of this.#options.importFrom) {
      const found = await CacheMountsImport.open(dir);
      if (found !== undefined) opened.push(found);
      else this.#progress.warn({ message: `No cache mounts to import: '${dir}' does not exist` });
    }
    return opened;
  }
}
