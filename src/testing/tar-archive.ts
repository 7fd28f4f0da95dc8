import { encodeHeader, TYPE, type TarHeader } from '../tar/header.js';
import { encodePax } from '../tar/pax.js';
import { byteNameOf, type ByteName } from '../util/byte-name.js';

/** An entry of an archive made for a test; the rest is an empty file of root. */
export interface ArchiveEntry extends Partial<Omit<TarHeader, 'name' | 'linkname'>> {
  readonly name: string;
  readonly linkname?: string;
  readonly data?: Buffer | string;
  readonly pax?: Readonly<Record<string, Buffer | string>>;
}

function pad(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]);
}

function block(name: ByteName, entry: Partial<TarHeader>): Buffer {
  return encodeHeader({
    typeflag: TYPE.regular,
    linkname: '' as ByteName,
    mode: 0o644,
    uid: 0,
    gid: 0,
    size: 0,
    mtime: 0,
    devmajor: 0,
    devminor: 0,
    ...entry,
    name,
  });
}

/** The blocks of one entry, extension headers included. */
export function archiveEntry({ name, linkname, data = '', pax, ...rest }: ArchiveEntry): Buffer {
  const bytes = Buffer.from(data);
  const records = Object.entries(pax ?? {}).map(
    ([keyword, value]) => [keyword, Buffer.from(value)] as const,
  );
  const extension = encodePax(new Map(records));
  const head = { typeflag: TYPE.paxHeader, size: extension.length };
  return Buffer.concat([
    ...(pax === undefined ? [] : [block('PaxHeader' as ByteName, head), pad(extension)]),
    block(byteNameOf(name), {
      size: bytes.length,
      ...rest,
      linkname: byteNameOf(linkname ?? ''),
    }),
    pad(bytes),
  ]);
}

/** A whole archive. */
export function archive(entries: readonly ArchiveEntry[]): Buffer {
  return Buffer.concat([...entries.map(archiveEntry), Buffer.alloc(1024)]);
}

/** Bytes as a stream of chunks of `size`. */
// eslint-disable-next-line @typescript-eslint/require-await -- a stream has to be asynchronous
export async function* chunksOf(bytes: Buffer, size = 65536): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** All bytes of a stream. */
export async function bytesOf(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts);
}
