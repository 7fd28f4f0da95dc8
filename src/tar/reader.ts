/**
 * Reads an archive entry by entry. tar-stream cuts the stream into headers and contents; the
 * headers' bytes are decoded again by our own codecs, because tar-stream's values are not exact:
 * it decodes PAX records as UTF-8 (an xattr is binary, a name may be anything), drops fractions of
 * seconds, applies global headers, and reads on behind the blocks that end an archive. Where the
 * two disagree about an entry's size, the archive is refused.
 */
import { extract, type Extract } from 'tar-stream';
import { UserError } from '../util/errors.js';
import { ByteWindow } from './byte-window.js';
import { decodeEntry, decodeExtensions, padded, type TarEntry } from './entry.js';
import { BLOCK, invalid } from './header.js';
import { assertLimit, TAR_LIMITS, type TarLimits } from './limits.js';

/** An entry with its contents; what is not read of them is skipped. */
export interface TarItem {
  readonly entry: TarEntry;
  readonly contents: AsyncIterable<Buffer>;
}

/** What tar-stream's type declarations leave out. */
const EXTRACT_OPTIONS = { allowUnknownFormat: true, filenameEncoding: 'latin1' };

/** What tar-stream knows of an entry's place; see {@link EXTRACT_OPTIONS}. */
interface FramedHeader {
  readonly size: number;
  readonly type: string | null;
  readonly byteOffset: number;
}

interface Feed {
  readonly extractor: Extract;
  readonly window: ByteWindow;
  readonly limits: TarLimits;
  /** The archive has ended: what follows is read, but not looked at. */
  ended: boolean;
  failed: boolean;
  /** What the source threw. */
  cause: unknown;
  /** Ends the wait for tar-stream. */
  wake: () => void;
}

/** Whether the bytes that wait for an entry are the end of the archive; else a limit is passed. */
function endsHere({ window, limits }: Feed, keptFrom: number): boolean {
  const head = window.slice(keptFrom, keptFrom + 2 * BLOCK);
  if (head.length === 2 * BLOCK && head.every((byte) => byte === 0)) return true;
  assertLimit(limits, 'extensionBytesMax', window.size, 'extension headers');
  return false;
}

/** Waits until tar-stream wants more, or is gone. */
function writable(feed: Feed): Promise<void> {
  return new Promise((resolve) => {
    feed.wake = resolve;
  });
}

/** Hands the chunks to tar-stream with backpressure, to the last one even after the end. */
async function feedChunks(
  feed: Feed,
  chunks: AsyncIterable<Buffer>,
  keptFrom: () => number,
): Promise<void> {
  const { extractor, window, limits } = feed;
  for await (const chunk of chunks) {
    if (feed.failed) return;
    if (feed.ended) continue;
    if (window.size > limits.extensionBytesMax && endsHere(feed, keptFrom())) {
      feed.ended = true;
      extractor.end(null);
      continue;
    }
    window.push(chunk);
    if (!extractor.write(chunk) && !extractor.destroyed) await writable(feed);
  }
  if (!feed.ended && !feed.failed) extractor.end(null);
}

function checkFraming(entry: TarEntry, framed: FramedHeader): void {
  if (entry.type !== 'file' && entry.type !== 'dir' && entry.size !== 0) {
    // Readers disagree on whether contents follow such a header: there is no safe reading.
    throw invalid(`a ${entry.type} entry has a size of ${entry.size}`);
  }
  const sameType = (framed.type === 'directory') === (entry.type === 'dir');
  if (framed.size !== entry.size || (entry.size !== 0 && !sameType)) {
    throw invalid('an entry can be read in two ways');
  }
}

/** tar-stream's own errors say that the archive is damaged; the source's come first. */
function realError(error: unknown, feed: Feed): unknown {
  if (feed.cause !== undefined) return feed.cause;
  if (!(error instanceof Error) || error.constructor !== Error) return error;
  const code = error.message === 'Header exceeds max size' ? 'TSB_LIMIT' : 'TSB_LAYER_INVALID';
  return new UserError(code, `Cannot unpack layer: ${error.message}`, { cause: error });
}

async function* contentsOf(stream: AsyncIterable<unknown>, feed: Feed): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of stream) yield chunk as Buffer;
  } catch (error) {
    throw realError(error, feed);
  }
}

/**
 * The entries of the uncompressed archive `chunks`, which is read to its very end, also where the
 * archive ends earlier. Damage is `TSB_LAYER_INVALID`.
 */
export async function* readEntries(
  chunks: AsyncIterable<Buffer>,
  limits: TarLimits = TAR_LIMITS,
): AsyncGenerator<TarItem, void, undefined> {
  const extractor = extract(EXTRACT_OPTIONS as object);
  const window = new ByteWindow();
  const feed: Feed = {
    extractor,
    window,
    limits,
    ended: false,
    failed: false,
    cause: undefined,
    wake: () => undefined,
  };
  for (const event of ['drain', 'close'] as const) extractor.on(event, () => feed.wake());
  let contentsEnd = 0;
  const feeding = feedChunks(feed, chunks, () => contentsEnd);
  // Its failure surfaces through the extractor, or at the await below.
  feeding.catch((error: unknown) => {
    feed.cause = error;
    extractor.destroy(error as Error);
  });
  let entries = 0;
  try {
    for await (const stream of extractor) {
      const framed = stream.header as unknown as FramedHeader;
      const headerAt = framed.byteOffset - BLOCK;
      const region = window.slice(contentsEnd, headerAt);
      assertLimit(limits, 'extensionBytesMax', region.length, 'extension headers');
      const extensions = decodeExtensions(region);
      if (extensions === 'end') break;
      const block = window.slice(headerAt, framed.byteOffset);
      const entry = decodeEntry(block, extensions, limits);
      checkFraming(entry, framed);
      contentsEnd = framed.byteOffset + (entry.type === 'file' ? padded(entry.size) : 0);
      window.keepFrom(contentsEnd);
      assertLimit(limits, 'entriesMax', ++entries, 'entries');
      yield { entry, contents: contentsOf(stream, feed) };
      stream.resume();
    }
    feed.ended = true;
    await feeding;
  } catch (error) {
    throw realError(error, feed);
  } finally {
    feed.failed = true;
    extractor.destroy();
  }
}
