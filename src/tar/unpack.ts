import { PACK_FILE_BYTES_MAX, type LayerWriter } from '../layer/layer-writer.js';
import { WHITEOUT_PREFIX, type ContentRef, type LayerDir } from '../layer/types.js';
import { Digester, type Digest } from '../oci/digest.js';
import { displayName } from '../util/byte-name.js';
import { UserError } from '../util/errors.js';
import { decompress } from './decompress.js';
import type { TarEntry } from './entry.js';
import { invalid } from './header.js';
import { LayerTree, type FindLower } from './layer-tree.js';
import { assertLimit, TAR_LIMITS, type TarLimits } from './limits.js';
import { readEntries } from './reader.js';

/** How to unpack a layer. */
export interface UnpackOptions {
  /** Takes the contents; `finish` and disposal are the caller's. */
  readonly writer: Pick<LayerWriter, 'appendPack' | 'writeContent'>;
  /** The diffId that the image's config promises; `TSB_DIGEST_MISMATCH` if it is another. */
  readonly expect?: Digest;
  readonly limits?: Partial<TarLimits>;
  readonly signal?: AbortSignal;
  /** Resolves hard links to files of the layers below; without it they are a LowerLinkError. */
  readonly findLower?: FindLower;
  /** Uncompressed bytes so far. */
  readonly onProgress?: (bytes: number) => void;
}

/** An unpacked layer. */
export interface UnpackedLayer {
  readonly root: LayerDir;
  readonly diffId: Digest;
  /** Of the uncompressed archive, to the end of its stream. */
  readonly size: number;
}

/** Passes the uncompressed stream on, hashing and counting it. */
async function* measured(
  chunks: AsyncIterable<Buffer>,
  digester: Digester,
  {
    limits,
    signal,
    onProgress,
  }: { limits: TarLimits } & Pick<UnpackOptions, 'signal' | 'onProgress'>,
): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) {
    signal?.throwIfAborted();
    digester.update(chunk);
    assertLimit(limits, 'unpackedBytesMax', digester.size, 'unpacked size');
    onProgress?.(digester.size);
    yield chunk;
  }
}

async function storeContent(
  { writer }: UnpackOptions,
  entry: TarEntry,
  contents: AsyncIterable<Buffer>,
): Promise<ContentRef | undefined> {
  if (entry.type !== 'file' || entry.size === 0) return undefined;
  if (entry.size > PACK_FILE_BYTES_MAX) return await writer.writeContent(entry.size, contents);
  const parts: Buffer[] = [];
  let size = 0;
  for await (const chunk of contents) {
    parts.push(chunk);
    size += chunk.length;
  }
  if (size !== entry.size) {
    throw invalid(`the contents of ${JSON.stringify(displayName(entry.path))} are cut off`);
  }
  return writer.appendPack(parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts));
}

/** Whether an entry's contents are of no use: whiteouts are empty by specification. */
function isMarker(entry: TarEntry): boolean {
  const slash = entry.path.lastIndexOf('/');
  return entry.path.startsWith(WHITEOUT_PREFIX, slash + 1);
}

/**
 * Reads a layer blob (tar; plain, gzip or zstd): contents go to the writer, metadata to the
 * returned tree. Throws TSB_LAYER_INVALID, TSB_LIMIT, TSB_UNSUPPORTED, TSB_DIGEST_MISMATCH, and
 * what the stream and the writer throw. Names of the archive never reach the file system.
 * Source: OCI image spec 1.1, layer.md.
 */
export async function unpackLayer(
  stream: AsyncIterable<Buffer>,
  options: UnpackOptions,
): Promise<UnpackedLayer> {
  const limits: TarLimits = { ...TAR_LIMITS, ...options.limits };
  const digester = new Digester();
  const tree = new LayerTree(limits, options.findLower);
  const plain = measured(decompress(stream, options.signal), digester, { ...options, limits });
  for await (const { entry, contents } of readEntries(plain, limits)) {
    const content = isMarker(entry) ? undefined : await storeContent(options, entry, contents);
    tree.add(entry, content);
  }
  options.signal?.throwIfAborted();
  const diffId = digester.digest();
  if (options.expect !== undefined && diffId !== options.expect) {
    throw new UserError(
      'TSB_DIGEST_MISMATCH',
      `Cannot unpack layer: its diffId is ${diffId}, want ${options.expect}`,
    );
  }
  return { root: tree.finish(), diffId, size: digester.size };
}
