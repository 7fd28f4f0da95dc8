import { Worker } from 'node:worker_threads';
import { FsError } from '../sys/errno.js';
import { InternalError } from '../util/assert.js';
import type { ErrorCode } from '../util/error-codes.js';
import { UserError } from '../util/errors.js';
import { hashDirectory, isSmallJob, type PackDirectoryJob, type PackedLayer } from './pack-job.js';

export type { PackDirectoryJob, PackedLayer } from './pack-job.js';

/** What the worker thread answers. */
export type PackDirectoryReply =
  | { readonly kind: 'packed'; readonly packed: PackedLayer }
  | {
      readonly kind: 'user-error';
      readonly code: ErrorCode;
      readonly message: string;
      readonly hint: string | undefined;
    }
  | {
      readonly kind: 'fs-error';
      readonly code: string;
      readonly syscall: string;
      readonly path: string | undefined;
    };

function packedOf(reply: PackDirectoryReply): PackedLayer {
  switch (reply.kind) {
    case 'packed':
      return reply.packed;
    case 'user-error': {
      const { code, message, hint } = reply;
      throw new UserError(code, message, hint === undefined ? {} : { hint });
    }
    case 'fs-error':
      throw new FsError(reply.code, reply.syscall, reply.path);
  }
}

/**
 * Packs a layer directory and returns the digest and size of its tar: in a thread of its own,
 * unless the layer is so small that starting one takes longer.
 * Aborting stops the thread; a partial `gzip.file` is the caller's to remove.
 */
export async function packDirectory(
  job: PackDirectoryJob,
  signal?: AbortSignal,
): Promise<PackedLayer> {
  signal?.throwIfAborted();
  if (isSmallJob(job)) return hashDirectory(job);
  const worker = new Worker(new URL('./pack-worker.js', import.meta.url), { workerData: job });
  const stop = (): void => void worker.terminate();
  signal?.addEventListener('abort', stop, { once: true });
  try {
    const reply = await new Promise<PackDirectoryReply>((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
      worker.once('exit', (code) => reject(new InternalError(`pack worker exited with ${code}`)));
    });
    return packedOf(reply);
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener('abort', stop);
    await worker.terminate();
  }
}
