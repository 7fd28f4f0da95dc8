/** Entry of the worker thread of `search-in-thread.ts`. */
import { parentPort, workerData } from 'node:worker_threads';
import { assert } from '../util/assert.js';
import { searchLayer } from './search-layer.js';
import type { SearchLayerJob } from './search-layer.js';

/** The job as it arrives: buffers are plain bytes on the other side. */
function received(job: SearchLayerJob): SearchLayerJob {
  const patterns = job.patterns.map((pattern) => ({
    ...pattern,
    bytes: Buffer.from(pattern.bytes),
  }));
  return { ...job, patterns };
}

assert(parentPort !== null, 'search-worker runs in a worker thread');
parentPort.postMessage(searchLayer(received(workerData as SearchLayerJob)));
