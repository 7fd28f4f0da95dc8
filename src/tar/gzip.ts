import { promisify } from 'node:util';
import { gzip } from 'node:zlib';

/**
 * Uncompressed bytes of a gzip member. A compressed layer is a chain of members (RFC 1952 section
 * 2.2), which every gzip reader takes: members are compressed in parallel, and since their borders
 * lie at fixed offsets, the bytes do not depend on the number of processors.
 */
export const GZIP_MEMBER_BYTES: number = 4 * 1024 * 1024;

/** Members in the works; each holds its input and output. libuv has four threads. */
const MEMBERS_MAX = 4;

/** Default compression level. */
export const GZIP_LEVEL = 6;

/** Offset of the OS field in a gzip header, and "Unix". */
const OS_OFFSET = 9;
const OS_UNIX = 3;

const compress = promisify<Buffer, { level: number; memLevel: number }, Buffer>(gzip);

async function member(input: Buffer, level: number): Promise<Buffer> {
  const output = await compress(input, { level, memLevel: 9 });
  output[OS_OFFSET] = OS_UNIX;
  return output;
}

/** Cuts a stream into blocks of exactly {@link GZIP_MEMBER_BYTES}, the last one shorter. */
async function* blocks(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let parts: Buffer[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    let rest = chunk;
    while (size + rest.length >= GZIP_MEMBER_BYTES) {
      const head = rest.subarray(0, GZIP_MEMBER_BYTES - size);
      yield Buffer.concat([...parts, head]);
      rest = rest.subarray(head.length);
      parts = [];
      size = 0;
    }
    if (rest.length > 0) parts.push(rest);
    size += rest.length;
  }
  if (size > 0) yield Buffer.concat(parts);
}

/**
 * Compresses a stream, off the main thread: the same bytes for the same input and level (and zlib
 * version), no time and no name in the header. The chunks must not be reused by their producer.
 */
export async function* gzipStream(
  chunks: AsyncIterable<Buffer>,
  { level = GZIP_LEVEL }: { readonly level?: number } = {},
): AsyncGenerator<Buffer, void, undefined> {
  const working: Promise<Buffer>[] = [];
  let count = 0;
  for await (const block of blocks(chunks)) {
    count++;
    const output = member(block, level);
    // Its failure is thrown where it is awaited, in its turn.
    output.catch(() => undefined);
    working.push(output);
    if (working.length < MEMBERS_MAX) continue;
    const first = working.shift();
    if (first !== undefined) yield await first;
  }
  for (const output of working) yield await output;
  if (count === 0) yield await member(Buffer.alloc(0), level);
}
