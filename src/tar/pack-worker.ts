/** Entry of the worker thread of `pack-directory.ts`. */
import { parentPort, workerData } from 'node:worker_threads';
import { FsError } from '../sys/errno.js';
import { assert } from '../util/assert.js';
import { UserError } from '../util/errors.js';
import type { PackDirectoryReply } from './pack-directory.js';
import { runPackJob, type PackDirectoryJob } from './pack-job.js';

async function work(job: PackDirectoryJob): Promise<PackDirectoryReply> {
  try {
    return { kind: 'packed', packed: await runPackJob(job) };
  } catch (error) {
    // Classes do not survive the way to the main thread.
    if (error instanceof UserError) {
      const { code, message, hint } = error;
      return { kind: 'user-error', code, message, hint };
    }
    if (error instanceof FsError) {
      const { code, syscall, path: file } = error;
      return { kind: 'fs-error', code, syscall, path: file };
    }
    throw error;
  }
}

assert(parentPort !== null, 'pack-worker runs in a worker thread');
parentPort.postMessage(await work(workerData as PackDirectoryJob));
