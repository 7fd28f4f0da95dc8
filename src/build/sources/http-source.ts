import { createHash } from 'node:crypto';
import fs from 'node:fs';
import type { LayerId } from '../../layer/types.js';
import type { Checksum } from '../../remote/checksum.js';
import { formatChecksum } from '../../remote/checksum.js';
import type { Validators } from '../../remote/http-fetch.js';
import type { HttpUrl } from '../../remote/http-url.js';
import { byteNameOf } from '../../util/byte-name.js';
import { UserError } from '../../util/errors.js';
import type { FetchDeps, OnBytes } from './fetch-deps.js';
import { findHeaderSecret } from './fetch-deps.js';
import { findSource, makeLayer, putSource, sourceKey } from './fetched-layer.js';
import type { SourceFacts, SourceRecord } from './fetched-layer.js';

/** A file of an HTTP server, alone in a layer. */
export interface HttpFile {
  readonly layer: LayerId;
  readonly name: string;
  /** SHA-256 in hex. */
  readonly digest: string;
}

/** How a URL's file is wanted. */
export interface HttpRequest {
  readonly target: HttpUrl;
  /** What the file is called in its layer. */
  readonly name: string;
  readonly checksum: Checksum | undefined;
  readonly onBytes?: OnBytes | undefined;
}

const CHUNK_BYTES = 1024 * 1024;
const FILE_MODE = 0o600;

/**
 * The file at a URL: 0600, root's, with the time of Last-Modified, else 1970. The server is asked
 * whether it has changed; with a checksum that the store knows, nobody is asked. Throws
 * TSB_DIGEST_MISMATCH, and as HttpClient.
 */
export async function httpFile(deps: FetchDeps, request: HttpRequest): Promise<HttpFile> {
  const { target, name, checksum } = request;
  const urlKey = sourceKey('http', [
    ['url', target.url.href],
    ['name', name],
  ]);
  const keys = checksum === undefined ? [urlKey] : [contentKey(checksum, name), urlKey];
  const [first] = keys;
  const known =
    deps.noCache || first === undefined
      ? undefined
      : await findSource(deps.records, deps.store, first);
  // The name of a content is its checksum: there is nothing to ask.
  if (checksum !== undefined && known !== undefined) return fileOf(known, name);
  const file = deps.store.temporaryPath();
  try {
    const received = await download(deps, request, { file, known });
    if (received === 'unchanged' && known !== undefined) return fileOf(known, name);
    const facts = received as SourceFacts;
    if (checksum !== undefined) assertChecksum(request, facts);
    const layer = await fileLayer(deps, { file, name, facts });
    const record = { layer, facts };
    for (const key of keys) await putSource(deps.records, key, record);
    return fileOf(record, name);
  } finally {
    fs.rmSync(file, { force: true });
  }
}

function contentKey(checksum: Checksum, name: string): ReturnType<typeof sourceKey> {
  return sourceKey('http-content', [
    ['checksum', formatChecksum(checksum)],
    ['name', name],
  ]);
}

function fileOf({ layer, facts }: SourceRecord, name: string): HttpFile {
  return { layer, name, digest: facts['sha256'] ?? '' };
}

async function download(
  deps: FetchDeps,
  { target, checksum, onBytes }: HttpRequest,
  { file, known }: { file: string; known: SourceRecord | undefined },
): Promise<SourceFacts | 'unchanged'> {
  const http = await deps.http();
  const algorithms = new Set(['sha256', checksum?.algorithm ?? 'sha256']);
  let digests: SourceFacts = {};
  const outcome = await http.fetch(
    {
      target,
      authorization: await authorizationOf(deps, target),
      known: known && validatorsOf(known.facts),
      onProgress: (bytes, total) => onBytes?.('bytes', bytes, total),
      receive: async (bytes) => {
        digests = await writeHashed(file, bytes, algorithms);
      },
    },
    deps.signal,
  );
  if (outcome.kind === 'unchanged') return 'unchanged';
  const { etag, lastModified } = outcome.validators;
  return {
    ...digests,
    ...(etag !== undefined && { etag }),
    ...(lastModified !== undefined && { lastModified }),
  };
}

function validatorsOf(facts: SourceFacts): Validators | undefined {
  const { etag, lastModified } = facts;
  return etag === undefined && lastModified === undefined ? undefined : { etag, lastModified };
}

/** BuildKit's secrets by host: a whole header, or a bearer token. */
async function authorizationOf(deps: FetchDeps, { url }: HttpUrl): Promise<string | undefined> {
  const { hostname } = url;
  const ids = [`HTTP_AUTH_HEADER_${hostname}`, `HTTP_AUTH_TOKEN_${hostname}`];
  const secret = await findHeaderSecret(deps, ids);
  if (secret === undefined) return undefined;
  return secret.id === ids[0] ? secret.value : `Bearer ${secret.value}`;
}

async function writeHashed(
  file: string,
  bytes: AsyncIterable<Buffer>,
  algorithms: ReadonlySet<string>,
): Promise<SourceFacts> {
  const hashes = [...algorithms].map((name) => [name, createHash(name)] as const);
  const handle = await fs.promises.open(file, 'w', 0o600);
  try {
    for await (const chunk of bytes) {
      for (const [, hash] of hashes) hash.update(chunk);
      await handle.writeFile(chunk);
    }
  } finally {
    await handle.close();
  }
  return Object.fromEntries(hashes.map(([name, hash]) => [name, hash.digest('hex')]));
}

function assertChecksum({ target, checksum }: HttpRequest, facts: SourceFacts): void {
  if (checksum === undefined || facts[checksum.algorithm] === checksum.hex) return;
  const found = `${checksum.algorithm}:${facts[checksum.algorithm] ?? ''}`;
  throw new UserError(
    'TSB_DIGEST_MISMATCH',
    `Cannot use "${target.shown}": found ${found}, want ${formatChecksum(checksum)}`,
    { hint: 'If the change is meant, write the found checksum' },
  );
}

async function fileLayer(
  { store }: FetchDeps,
  { file, name, facts }: { file: string; name: string; facts: SourceFacts },
): Promise<LayerId> {
  const modifiedMs = Date.parse(facts['lastModified'] ?? '');
  const sec = Number.isNaN(modifiedMs) ? 0 : Math.max(0, Math.floor(modifiedMs / 1000));
  const meta = { mode: FILE_MODE, uid: 0, gid: 0, mtime: { sec, nsec: 0 } };
  return await makeLayer(store, async (tree) => {
    const content = fs.createReadStream(file, { highWaterMark: CHUNK_BYTES });
    await tree.writeFile(tree.root, byteNameOf(name), meta, content);
    tree.setMeta(tree.root, { mode: 0o755, mtime: { sec, nsec: 0 } });
  });
}
