import type { Descriptor } from '../oci/descriptor.js';
import type { Digest } from '../oci/digest.js';
import { shortDigest } from '../oci/digest.js';
import type { Platform } from '../oci/platform.js';
import type { Reference } from '../oci/reference.js';
import { formatFamiliar } from '../oci/reference.js';
import type { RegistryClient } from '../registry/client.js';
import type { BlobSink, TransferProgress } from '../registry/pull.js';
import type { ImageRecord } from '../store/images.js';
import type { Store } from '../store/store.js';
import type { VertexId } from './events.js';
import type { Progress, RunningVertex } from './progress.js';

/** What moving images needs. */
export interface TransferDeps {
  readonly store: Store;
  readonly registry: () => Promise<RegistryClient>;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/**
 * Brings an image from its registry into the store, under its reference. Layers are downloaded
 * in parallel; unpacking is left to their first use.
 */
export async function pullToStore(
  { store, registry, progress, signal }: TransferDeps,
  reference: Reference,
  { platform, parent }: { platform: Platform; parent: VertexId | undefined },
): Promise<ImageRecord> {
  const { pullImage } = await import('../registry/pull.js');
  const transfers = new TransferVertices(progress, { verb: 'download', parent });
  try {
    const image = await pullImage(await registry(), reference, {
      platform,
      sink: storeSink(store, signal),
      signal,
      onProgress: (each) => transfers.update(each),
    });
    const created = new Date().toISOString();
    const record = { manifest: image.descriptor, platform: image.platform, created };
    store.images.putBeside(reference, record);
    progress.debug(`pulled ${formatFamiliar(reference)} as ${image.descriptor.digest}`);
    return record;
  } finally {
    transfers.end();
  }
}

function storeSink({ blobs }: Store, signal: AbortSignal): BlobSink {
  return {
    has: (digest: Digest) => blobs.has(digest),
    write: async ({ digest, size }: Descriptor, stream) => {
      await blobs.write(stream, { expect: { digest, size }, signal });
    },
  };
}

/** Vertices of blobs on their way, one for each that is not there already. */
export class TransferVertices {
  readonly #progress: Progress;
  readonly #verb: 'download' | 'upload';
  readonly #parent: VertexId | undefined;
  readonly #open = new Map<Digest, OpenTransfer>();

  constructor(
    progress: Progress,
    { verb, parent }: { verb: 'download' | 'upload'; parent: VertexId | undefined },
  ) {
    this.#progress = progress;
    this.#verb = verb;
    this.#parent = parent;
  }

  /** Takes the news of one blob. */
  update({ descriptor, bytes, state }: TransferProgress): void {
    if (state === 'reused') return;
    const { digest, size } = descriptor;
    const transfer = this.#open.get(digest) ?? this.#begin(digest);
    transfer.running.progress('bytes', bytes, size);
    if (state === 'done') {
      transfer.finish();
      this.#open.delete(digest);
    }
  }

  /** Ends what is still open: the transfer as a whole has failed. */
  end(): void {
    for (const transfer of this.#open.values()) transfer.finish(new Error('interrupted'));
    this.#open.clear();
  }

  #begin(digest: Digest): OpenTransfer {
    const vertex = this.#progress.add({
      kind: 'transfer',
      name: `${this.#verb} ${shortDigest(digest)}`,
      ...(this.#parent !== undefined && { parent: this.#parent }),
    });
    let running: RunningVertex | undefined;
    let finish: OpenTransfer['finish'] = () => undefined;
    const done = this.#progress.run(vertex, (handle) => {
      running = handle;
      return new Promise<void>((resolve, reject) => {
        finish = (error) => (error === undefined ? resolve() : reject(error));
      });
    });
    done.catch(() => undefined);
    const transfer = { running: running as unknown as RunningVertex, finish };
    this.#open.set(digest, transfer);
    return transfer;
  }
}

interface OpenTransfer {
  readonly running: RunningVertex;
  readonly finish: (error?: Error) => void;
}
