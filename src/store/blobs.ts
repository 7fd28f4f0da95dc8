import fs from 'node:fs';
import path from 'node:path';
import { digestHex, Digester, isDigest, type Digest } from '../oci/digest.js';
import { verified } from '../oci/verify.js';
import { UserError } from '../util/errors.js';
import { listNames, syncDirectory } from './atomic-file.js';
import { explainNoSpace } from './no-space.js';

/** Of manifests, configs and other documents that are read into memory. */
export const DOCUMENT_BYTES_MAX: number = 16 * 1024 * 1024;
const CHUNK_BYTES = 1024 * 1024;

/** A blob's name and bytes. */
export interface BlobInfo {
  readonly digest: Digest;
  readonly size: number;
}

/** Blobs by digest: written whole or not at all, verified whenever they are read. */
export class BlobStore {
  readonly #dir: string;
  readonly #temporaryPath: () => string;

  /** `temporaryPath`: a fresh name on the same file system, removed by somebody else if left. */
  constructor(dir: string, temporaryPath: () => string) {
    this.#dir = dir;
    this.#temporaryPath = temporaryPath;
  }

  path(digest: Digest): string {
    return path.join(this.#dir, digestHex(digest));
  }

  has(digest: Digest): boolean {
    return this.findSize(digest) !== undefined;
  }

  /** Bytes of a blob; undefined if it is not there. */
  findSize(digest: Digest): number | undefined {
    return fs.statSync(this.path(digest), { throwIfNoEntry: false })?.size;
  }

  /** The digests of all blobs. */
  list(): Digest[] {
    return listNames(this.#dir)
      .map((name) => `sha256:${name}`)
      .filter(isDigest);
  }

  /**
   * Streams a blob. Throws TSB_STORE if it is not there, and at the end TSB_DIGEST_MISMATCH if it
   * is damaged: nothing of it may be published before.
   */
  async *open(digest: Digest): AsyncGenerator<Buffer, void, undefined> {
    const size = this.findSize(digest);
    if (size === undefined) throw missing(digest);
    const file = fs.createReadStream(this.path(digest), { highWaterMark: CHUNK_BYTES });
    yield* verified(file, { digest, size }, `blob ${digest} of the store`);
  }

  /** The bytes of a small blob; errors as {@link open}, and TSB_LIMIT. */
  async read(digest: Digest): Promise<Buffer> {
    const size = this.findSize(digest);
    if (size !== undefined && size > DOCUMENT_BYTES_MAX) {
      const message = `Cannot read blob ${digest}: ${size} bytes, want at most ${DOCUMENT_BYTES_MAX}`;
      throw new UserError('TSB_LIMIT', message);
    }
    const parts: Buffer[] = [];
    for await (const part of this.open(digest)) parts.push(part);
    return Buffer.concat(parts);
  }

  /**
   * Stores a stream. `expect`: TSB_DIGEST_MISMATCH unless it is these bytes. A failure leaves
   * nothing behind; storing what is there already is no error.
   */
  async write(
    stream: AsyncIterable<Uint8Array>,
    { expect, signal }: { readonly expect?: BlobInfo; readonly signal?: AbortSignal } = {},
  ): Promise<BlobInfo> {
    const temporary = this.#temporaryPath();
    const digester = new Digester();
    const checked = expect ? verified(stream, expect, `blob ${expect.digest}`) : stream;
    try {
      const file = await fs.promises.open(temporary, 'wx', 0o600);
      try {
        for await (const chunk of checked) {
          signal?.throwIfAborted();
          digester.update(chunk);
          await file.writeFile(chunk);
        }
        await file.sync();
      } finally {
        await file.close();
      }
      const size = digester.size;
      const digest = digester.digest();
      this.#publish(temporary, digest);
      return { digest, size };
    } catch (error) {
      fs.rmSync(temporary, { force: true });
      throw explainNoSpace(error, this.#dir);
    }
  }

  /** Stores a document; see {@link write}. TSB_LIMIT if {@link read} would refuse it. */
  async writeBytes(bytes: Uint8Array): Promise<BlobInfo> {
    if (bytes.length > DOCUMENT_BYTES_MAX) {
      const message = `Cannot store an image: its manifest or config has ${bytes.length} bytes, want at most ${DOCUMENT_BYTES_MAX}`;
      throw new UserError('TSB_LIMIT', message, { hint: 'shorten its labels and variables' });
    }
    // eslint-disable-next-line @typescript-eslint/require-await -- a stream has to be asynchronous
    async function* once(): AsyncGenerator<Uint8Array> {
      yield bytes;
    }
    return await this.write(once());
  }

  /** Takes over a complete, synced file of the same file system whose digest is known. */
  adopt(file: string, digest: Digest): void {
    this.#publish(file, digest);
  }

  /** Removes a blob. Only the collector may. */
  remove(digest: Digest): void {
    fs.rmSync(this.path(digest), { force: true });
  }

  #publish(temporary: string, digest: Digest): void {
    fs.renameSync(temporary, this.path(digest));
    syncDirectory(this.#dir);
  }
}

function missing(digest: Digest): UserError {
  return new UserError('TSB_STORE', `Cannot read blob ${digest}: it is not in the store`, {
    hint: 'pull or build the image again',
  });
}
