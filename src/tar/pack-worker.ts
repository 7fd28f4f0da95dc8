/** Entry of the worker thread of `pack-directory.ts`. */
import path from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { LayerSet } from '../layer/layer-reader.js';
import { readTree } from '../layer/read-tree.js';
import { Digester } from '../oci/digest.js';
import { O_CLOEXEC, O_CREAT, O_EXCL, O_WRONLY } from '../sys/constants.js';
import { fsync, openat, write } from '../sys/file.js';
import { FsError } from '../sys/errno.js';
import { assert } from '../util/assert.js';
import { UserError } from '../util/errors.js';
import { openContent } from '../layer/layer-reader.js';
import { gzipStream } from './gzip.js';
import { packLayerSync } from './pack-sync.js';
import type { PackDirectoryJob, PackDirectoryReply, PackedLayer } from './pack-directory.js';
import type { FileNode } from './pack-headers.js';
import { packLayer } from './pack.js';

function hashOnly(job: PackDirectoryJob, layers: LayerSet): PackedLayer {
  const digester = new Digester();
  packLayerSync(readTree(layers.open(job.layer).index), {
    ...(job.clampMtime !== undefined && { clampMtime: job.clampMtime }),
    read: (file, into, position) =>
      file.content === undefined
        ? 0
        : layers
            .open(file.content.layer ?? job.layer)
            .pread(file.content, file.size, into, position),
    sink: (bytes) => digester.update(bytes),
  });
  return { diffId: digester.digest(), size: digester.size, compressed: undefined };
}

async function* tee(chunks: AsyncIterable<Buffer>, digester: Digester): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) {
    digester.update(chunk);
    yield chunk;
  }
}

async function hashAndCompress(
  job: PackDirectoryJob,
  gzip: NonNullable<PackDirectoryJob['gzip']>,
  layers: LayerSet,
): Promise<PackedLayer> {
  const plain = new Digester();
  const compressed = new Digester();
  const contentOf = (file: FileNode): AsyncIterable<Buffer> =>
    openContent({ layers, home: job.layer, ref: file.content, size: file.size });
  const tar = packLayer(readTree(layers.open(job.layer).index), {
    ...(job.clampMtime !== undefined && { clampMtime: job.clampMtime }),
    contentOf,
  });
  using out = openat(undefined, gzip.file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600);
  for await (const chunk of gzipStream(tee(tar, plain), gzip)) {
    compressed.update(chunk);
    write(out, chunk);
  }
  fsync(out);
  out.close();
  return {
    diffId: plain.digest(),
    size: plain.size,
    compressed: { digest: compressed.digest(), size: compressed.size },
  };
}

async function work(job: PackDirectoryJob): Promise<PackDirectoryReply> {
  try {
    using layers = new LayerSet((id) => path.join(job.layersRoot, id));
    const { gzip } = job;
    const packed =
      gzip === undefined ? hashOnly(job, layers) : await hashAndCompress(job, gzip, layers);
    return { kind: 'packed', packed };
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
