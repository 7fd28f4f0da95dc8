import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { hasCode, messageOf, UserError } from '../util/errors.js';

/** How a blob is compressed, as its first bytes say. */
export type Compression = 'none' | 'gzip' | 'zstd' | 'bzip2' | 'xz';

const MAGIC: readonly (readonly [Compression, Buffer])[] = [
  ['gzip', Buffer.of(0x1f, 0x8b)],
  ['zstd', Buffer.of(0x28, 0xb5, 0x2f, 0xfd)],
  ['xz', Buffer.of(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00)],
  ['bzip2', Buffer.from('BZh')],
];
const MAGIC_BYTES_MAX = 6;

/** Large chunks: every one costs a turn of the event loop. */
const CHUNK_BYTES = 256 * 1024;

/** zstd refuses windows above 8 MiB unless told otherwise; this is what `--ultra -22` asks for. */
const ZSTD_MEMORY = '--memory=256MB';

/** What a file that begins with `head` is compressed with. */
export function detectCompression(head: Buffer): Compression {
  const found = MAGIC.find(([, magic]) => head.subarray(0, magic.length).equals(magic));
  return found?.[0] ?? 'none';
}

/** Reads on until the magic can be seen; the returned chunks begin at the first byte. */
async function peek(
  chunks: AsyncIterable<Buffer>,
): Promise<{ head: Buffer; all: AsyncIterable<Buffer> }> {
  const iterator = chunks[Symbol.asyncIterator]();
  let head: Buffer = Buffer.alloc(0);
  while (head.length < MAGIC_BYTES_MAX) {
    const next = await iterator.next();
    if (next.done === true) break;
    head = head.length === 0 ? next.value : Buffer.concat([head, next.value]);
  }
  async function* all(): AsyncGenerator<Buffer> {
    try {
      if (head.length > 0) yield head;
      for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) {
        yield next.value;
      }
    } finally {
      await iterator.return?.();
    }
  }
  return { head, all: all() };
}

async function* gunzip(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const source = Readable.from(chunks);
  const inflate = createGunzip({ chunkSize: CHUNK_BYTES });
  source.on('error', (error) => inflate.destroy(error));
  try {
    for await (const chunk of source.pipe(inflate)) yield chunk as Buffer;
  } catch (error) {
    if (!hasCode(error, 'Z_BUF_ERROR', 'Z_DATA_ERROR', 'Z_NEED_DICT')) throw error;
    const what = `Cannot unpack layer: its gzip stream is damaged: ${messageOf(error)}`;
    throw new UserError('TSB_LAYER_INVALID', what, { cause: error });
  } finally {
    source.destroy();
    inflate.destroy();
  }
}

async function* unzstd(
  chunks: AsyncIterable<Buffer>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Buffer> {
  // Loading it takes longer than most commands run.
  const { execa } = await import('execa');
  const source = Readable.from(chunks);
  const child = execa('zstd', ['--decompress', '--stdout', '--quiet', ZSTD_MEMORY], {
    input: source,
    buffer: { stdout: false, stderr: true },
    encoding: 'buffer',
    ...(signal && { cancelSignal: signal }),
  });
  // Awaited below; until then a failure is nobody's.
  child.catch(() => undefined);
  // A reader that stops early ends the program with SIGPIPE: that is no damage.
  let isWanted = true;
  try {
    for await (const chunk of child.iterable({ from: 'stdout', binary: true })) {
      isWanted = false;
      yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
      isWanted = true;
    }
    // Its output has ended, it itself perhaps not: a kill would look like damage.
    await child;
  } catch (error) {
    if (isWanted) throw zstdError(error);
  } finally {
    child.kill();
    source.destroy();
  }
}

function zstdError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const cause = hasCode(error, 'ENOENT') ? error : error.cause;
  if (hasCode(cause, 'ENOENT')) {
    return new UserError(
      'TSB_MISSING_TOOL',
      'Cannot unpack layer: it is compressed with zstd, and the program zstd is not installed',
      { hint: 'apt-get install zstd', cause: error },
    );
  }
  if (error instanceof UserError || hasCode(error, 'ABORT_ERR')) return error;
  return new UserError('TSB_LAYER_INVALID', 'Cannot unpack layer: its zstd stream is damaged', {
    cause: error,
  });
}

/**
 * The uncompressed bytes of a layer blob: plain, gzip (also of several members) or zstd (through
 * the program `zstd`), told by its first bytes. Damage is `TSB_LAYER_INVALID`.
 */
export async function* decompress(
  chunks: AsyncIterable<Buffer>,
  signal?: AbortSignal,
): AsyncGenerator<Buffer, void, undefined> {
  const { head, all } = await peek(chunks);
  const compression = detectCompression(head);
  switch (compression) {
    case 'none':
      yield* all;
      return;
    case 'gzip':
      yield* gunzip(all);
      return;
    case 'zstd':
      yield* unzstd(all, signal);
      return;
    case 'xz':
    case 'bzip2':
      throw new UserError(
        'TSB_UNSUPPORTED',
        `Cannot unpack layer: it is compressed with ${compression}, want gzip, zstd or plain tar`,
      );
  }
}
