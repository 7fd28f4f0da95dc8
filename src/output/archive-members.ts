import fs from 'node:fs';
import path from 'node:path';
import { DOCUMENT_BYTES_MAX, type BlobInfo } from '../store/blobs.js';
import type { Store } from '../store/store.js';
import { decompress } from '../tar/decompress.js';
import { assertLimit, TAR_LIMITS } from '../tar/limits.js';
import { readEntries, type TarItem } from '../tar/reader.js';
import { displayName, type ByteName } from '../util/byte-name.js';
import { hasCode, UserError } from '../util/errors.js';
import type { ImportOptions } from './import-manifest.js';

/** Links within an archive that lead to links; docker made one at most. */
const LINKS_MAX = 8;

/**
 * The members of an image archive: small ones in memory, the others as blobs of the store, by
 * their names in the archive, which stay there.
 */
export class ArchiveMembers {
  readonly what: string;
  readonly #documents = new Map<string, Buffer>();
  readonly #blobs = new Map<string, BlobInfo>();
  readonly #links = new Map<string, string>();

  constructor(what: string) {
    this.what = what;
  }

  addDocument(name: string, bytes: Buffer): void {
    this.#documents.set(name, bytes);
  }

  addBlob(name: string, blob: BlobInfo): void {
    this.#blobs.set(name, blob);
  }

  addLink(name: string, target: string): void {
    this.#links.set(name, target);
  }

  /** A member that is kept in memory; TSB_IMAGE_INVALID if there is none. */
  document(name: string): Buffer {
    const bytes = this.#documents.get(name);
    if (bytes === undefined) throw this.#missing(name);
    return bytes;
  }

  /** A member that was stored, links within the archive followed; TSB_IMAGE_INVALID. */
  blob(name: string): BlobInfo {
    let at = path.posix.normalize(name);
    for (let links = 0; links <= LINKS_MAX; links++) {
      const blob = this.#blobs.get(at);
      if (blob !== undefined) return blob;
      const target = this.#links.get(at);
      if (target === undefined) break;
      at = target;
    }
    throw this.#missing(name);
  }

  #missing(name: string): UserError {
    return new UserError(
      'TSB_IMAGE_INVALID',
      `Cannot read ${this.what}: it has no member ${JSON.stringify(name)}`,
    );
  }
}

function memberName(path_: ByteName): string {
  return path.posix.normalize(displayName(path_)).replace(/^\/+/, '');
}

async function readDocument({ entry, contents }: TarItem, what: string): Promise<Buffer> {
  if (entry.size > DOCUMENT_BYTES_MAX) {
    const message = `Cannot read ${what}: a document of ${entry.size} bytes, want at most ${DOCUMENT_BYTES_MAX}`;
    throw new UserError('TSB_LIMIT', message);
  }
  const parts: Buffer[] = [];
  for await (const part of contents) parts.push(part);
  return Buffer.concat(parts);
}

async function* readArchive(file: string, what: string): AsyncGenerator<Buffer> {
  if (file === '-') {
    yield* fs.createReadStream('', { fd: 0 }) as AsyncIterable<Buffer>;
    return;
  }
  // Opening a pipe without a writer would wait for one, deaf to every signal.
  const flags = fs.constants.O_RDONLY | fs.constants.O_NONBLOCK;
  await using handle = await fs.promises.open(file, flags);
  if ((await handle.stat()).isFile()) {
    yield* handle.createReadStream({ autoClose: false }) as AsyncIterable<Buffer>;
    return;
  }
  throw new UserError('TSB_IMAGE_INVALID', `Cannot read ${what}: it is not a regular file`, {
    hint: "'-' as the file is standard input",
  });
}

/**
 * Reads an archive once, from front to end (gzip or zstd as well). `documents`: names that are
 * kept in memory. What is stored and not used then is removed by the next `prune`.
 */
export async function readMembers(
  store: Store,
  { file, what, documents }: { file: string; what: string; documents: readonly string[] },
  { signal, onProgress }: Pick<ImportOptions, 'signal' | 'onProgress'>,
): Promise<ArchiveMembers> {
  const members = new ArchiveMembers(what);
  let stored = 0;
  try {
    for await (const item of readEntries(decompress(readArchive(file, what), signal))) {
      signal?.throwIfAborted();
      const { entry, contents } = item;
      assertLimit(TAR_LIMITS, 'unpackedBytesMax', entry.size, 'unpacked size');
      const name = memberName(entry.path);
      if (entry.type === 'symlink') {
        const target = path.posix.join(path.posix.dirname(name), displayName(entry.linkname));
        members.addLink(name, target);
      } else if (entry.type === 'link') {
        members.addLink(name, memberName(entry.linkname));
      } else if (entry.type === 'file') {
        if (documents.includes(name)) members.addDocument(name, await readDocument(item, what));
        else members.addBlob(name, await store.blobs.write(contents, signal ? { signal } : {}));
        stored += entry.size;
        assertLimit(TAR_LIMITS, 'unpackedBytesMax', stored, 'unpacked size');
        onProgress?.(stored);
      }
    }
  } catch (error) {
    throw explain(error, what);
  }
  return members;
}

function explain(error: unknown, what: string): unknown {
  if (hasCode(error, 'ENOENT', 'EACCES', 'EISDIR') && !(error instanceof UserError)) {
    return new UserError(
      'TSB_IMAGE_NOT_FOUND',
      `Cannot read ${what}: ${(error as Error).message}`,
      {
        cause: error,
      },
    );
  }
  if (!(error instanceof UserError)) return error;
  const code = error.code === 'TSB_LAYER_INVALID' ? 'TSB_IMAGE_INVALID' : error.code;
  const message = error.message.replace('Cannot unpack layer', `Cannot read ${what}`);
  return new UserError(code, message, { ...(error.hint && { hint: error.hint }), cause: error });
}
