import { Worker } from 'node:worker_threads';
import { InternalError } from '../util/assert.js';
import type { Finding } from './layer-findings.js';
import { searchLayer, searchedBytes } from './search-layer.js';
import type { SearchLayerJob } from './search-layer.js';

/** Less is searched before a thread has started (60 ms). */
const SMALL_BYTES = 16 * 1024 * 1024;

function isSmall(job: SearchLayerJob): boolean {
  return searchedBytes(job, SMALL_BYTES) <= SMALL_BYTES;
}

/**
 * {@link searchLayer}, in a thread of its own unless that takes longer. Aborting stops it: the
 * reason of the signal is thrown.
 */
export async function searchInThread(job: SearchLayerJob, signal: AbortSignal): Promise<Finding[]> {
  signal.throwIfAborted();
  if (job.patterns.length === 0) return [];
  if (isSmall(job)) return searchLayer(job);
  const worker = new Worker(new URL('./search-worker.js', import.meta.url), { workerData: job });
  const stop = (): void => void worker.terminate();
  signal.addEventListener('abort', stop, { once: true });
  try {
    return await new Promise<Finding[]>((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
      worker.once('exit', (code) => reject(new InternalError(`search ended with ${code}`)));
    });
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener('abort', stop);
    await worker.terminate();
  }
}
