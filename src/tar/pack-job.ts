import fs from 'node:fs';
import path from 'node:path';
import { LayerSet, openContent } from '../layer/layer-reader.js';
import { readTree } from '../layer/read-tree.js';
import { WHITEOUT, type LayerDir, type LayerId } from '../layer/types.js';
import { Digester, type Digest } from '../oci/digest.js';
import { O_CREAT, O_EXCL, O_WRONLY } from '../sys/constants.js';
import { fsync, openat, write } from '../sys/file.js';
import { gzipStream } from './gzip.js';
import type { FileNode } from './pack-headers.js';
import { packLayerSync } from './pack-sync.js';
import { packLayer } from './pack.js';

/** A layer directory to pack. */
export interface PackDirectoryJob {
  /** Holds the directory of every layer, by its id. */
  readonly layersRoot: string;
  readonly layer: LayerId;
  /** See `PackHeaderOptions`. */
  readonly clampMtime?: number;
  /** Also writes the compressed layer to this new file, and syncs it. */
  readonly gzip?: { readonly file: string; readonly level: number };
}

/** A layer's archive: its digest as an uncompressed tar, and what it was compressed to. */
export interface PackedLayer {
  readonly diffId: Digest;
  readonly size: number;
  readonly compressed: { readonly digest: Digest; readonly size: number } | undefined;
}

/** Below these, packing takes less time than starting a thread (60 ms). */
const SMALL_INDEX_BYTES = 128 * 1024;
const SMALL_CONTENT_BYTES = 4 * 1024 * 1024;

function openLayers(job: PackDirectoryJob): LayerSet {
  return new LayerSet((id) => path.join(job.layersRoot, id));
}

function contentBytes(dir: LayerDir): number {
  let sum = 0;
  for (const child of dir.entries.values()) {
    if (child === WHITEOUT) continue;
    if (child.kind === 'dir') sum += contentBytes(child);
    else if (child.kind === 'file') sum += child.size;
  }
  return sum;
}

/** Whether a layer is hashed faster than a thread starts. */
export function isSmallJob(job: PackDirectoryJob): boolean {
  if (job.gzip !== undefined) return false;
  const index = path.join(job.layersRoot, job.layer, 'index');
  const stat = fs.statSync(index, { throwIfNoEntry: false });
  if (stat === undefined || stat.size > SMALL_INDEX_BYTES) return false;
  using layers = openLayers(job);
  return contentBytes(readTree(layers.open(job.layer).index)) <= SMALL_CONTENT_BYTES;
}

/** Hashes the tar of a layer directory, blocking. */
export function hashDirectory(job: PackDirectoryJob): PackedLayer {
  using layers = openLayers(job);
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
): Promise<PackedLayer> {
  using layers = openLayers(job);
  const plain = new Digester();
  const compressed = new Digester();
  const contentOf = (file: FileNode): AsyncIterable<Buffer> =>
    openContent({ layers, home: job.layer, ref: file.content, size: file.size });
  const tar = packLayer(readTree(layers.open(job.layer).index), {
    ...(job.clampMtime !== undefined && { clampMtime: job.clampMtime }),
    contentOf,
  });
  using out = openat(undefined, gzip.file, O_WRONLY | O_CREAT | O_EXCL, 0o600);
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

/** Packs a layer directory in this thread, which it blocks unless it compresses. */
export async function runPackJob(job: PackDirectoryJob): Promise<PackedLayer> {
  const { gzip } = job;
  return gzip === undefined ? hashDirectory(job) : await hashAndCompress(job, gzip);
}
