import type { RecordStore } from '../cache/records.js';
import type { RegistryClient } from '../registry/client.js';
import type { Platform } from '../oci/platform.js';
import type { Store } from '../store/store.js';
import { CacheTransfer } from './cache-transfer.js';
import type { ContextSource } from './context.js';
import type { LayerPacker } from './layer-packer.js';
import type { Vertex } from './events.js';
import type { ReadOptions, StepReport } from './options.js';
import type { Progress } from './progress.js';
import { SecretGuard } from './secret-guard.js';
import type { SecretStore } from './secrets.js';
import type { ServerPool } from './server-pool.js';
import type { NamedDirectories } from './sources/context-state.js';
import type { NamedContexts } from './sources/named-contexts.js';
import type { Sources } from './sources/sources.js';
import type { StageLayer } from './state.js';

/** What the steps of one build share. */
export class Session {
  readonly options: ReadOptions;
  readonly platform: Platform;
  readonly store: Store;
  readonly records: RecordStore;
  readonly registry: () => Promise<RegistryClient>;
  readonly progress: Progress;
  readonly signal: AbortSignal;
  readonly servers: ServerPool;
  readonly packer: LayerPacker;
  readonly context: ContextSource;
  readonly secrets: SecretStore;
  readonly cacheTransfer: CacheTransfer;
  readonly guard: SecretGuard;
  readonly sources: Sources;
  readonly contexts: NamedContexts;
  readonly directories: NamedDirectories;
  readonly #pending: Promise<void>[] = [];
  readonly #reports: StepWork[] = [];

  constructor(parts: SessionParts) {
    this.options = parts.options;
    this.platform = parts.platform;
    this.store = parts.store;
    this.records = parts.store.cacheRecords;
    this.registry = parts.registry;
    this.progress = parts.progress;
    this.signal = parts.signal;
    this.servers = parts.servers;
    this.packer = parts.packer;
    this.context = parts.context;
    this.secrets = parts.secrets;
    const { importFrom = [], exportTo } = parts.options.runs?.cacheMounts ?? {};
    this.cacheTransfer = new CacheTransfer(parts.store, parts.progress, { importFrom, exportTo });
    this.guard = new SecretGuard({ ...parts, allowed: parts.options.allowSecretInLayer ?? [] });
    this.sources = parts.sources;
    this.contexts = parts.contexts;
    this.directories = parts.directories;
  }

  /** The latest mtime that a new layer may have; undefined: any. */
  get mtimeMax(): number | undefined {
    return this.options.sourceDateEpoch;
  }

  /** The time of what is made now, in milliseconds since 1970. */
  createdMs(): number {
    const { sourceDateEpoch } = this.options;
    return sourceDateEpoch === undefined ? Date.now() : sourceDateEpoch * 1000;
  }

  /** Says that something is not in the cache, so that RUNs are likely to come. */
  expectWork(): void {
    this.servers.prestart();
  }

  /** Starts work that the end of the build waits for. */
  afterwards(work: () => Promise<void>): void {
    const promise = work();
    promise.catch(() => undefined);
    this.#pending.push(promise);
  }

  /** Keeps what a finished step is to be reported with. */
  report(work: StepWork): void {
    this.#reports.push(work);
  }

  /** The reports of all finished steps, in the order in which they ended. */
  async reports(): Promise<StepReport[]> {
    return await Promise.all(
      this.#reports.map(async ({ vertex, layer, ...rest }) => {
        const digest = await layer?.digest;
        const { name, source } = vertex;
        return { name, source, ...rest, diffId: digest?.diffId, layerSize: digest?.size };
      }),
    );
  }

  /** Waits for the work begun with {@link afterwards}; throws its first failure. */
  async settle(): Promise<void> {
    const results = await Promise.allSettled(this.#pending.splice(0));
    const failed = results.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }
}

/** A finished step; its layer may still be being measured. */
export type StepWork = Omit<StepReport, 'name' | 'source' | 'diffId' | 'layerSize'> & {
  readonly vertex: Vertex;
  readonly layer: StageLayer | undefined;
};

/** What a {@link Session} is made of. */
export type SessionParts = Pick<
  Session,
  | 'options'
  | 'platform'
  | 'store'
  | 'registry'
  | 'progress'
  | 'signal'
  | 'servers'
  | 'packer'
  | 'context'
  | 'secrets'
  | 'sources'
  | 'contexts'
  | 'directories'
>;
