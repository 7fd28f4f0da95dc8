import type { Descriptor } from '../oci/descriptor.js';
import type { Reference } from '../oci/reference.js';
import { formatRepository } from '../oci/reference.js';
import { verified } from '../oci/verify.js';
import type { Action } from './api.js';
import { quote, repositoryUrl, scopeOf } from './api.js';
import type { HttpResponse, RequestBody } from './http.js';
import { discardBody, header } from './http.js';
import { RegistryError } from './registry-error.js';
import type { RegistryRequest, Transport } from './transport.js';

/** How a blob came to be in the repository. */
export type PushOutcome = 'existed' | 'mounted' | 'uploaded';

export interface UploadOptions {
  /** A repository of the same registry that may have the blob. */
  readonly mountFrom?: Reference | undefined;
  /** Upload by PATCH in pieces of this size, for registries with a limit; undefined: in one PUT. */
  readonly chunkBytes?: number | undefined;
  readonly signal: AbortSignal | undefined;
}

type Common = Pick<RegistryRequest, 'domain' | 'scopes' | 'what' | 'signal'>;

/** Whether the repository has the blob, asked by one who may do `actions`. One attempt. */
export async function findBlob(
  transport: Transport,
  reference: Reference,
  descriptor: Descriptor,
  { actions, signal }: { actions: readonly Action[]; signal: AbortSignal | undefined },
): Promise<boolean> {
  const response = await transport.send({
    method: 'HEAD',
    url: repositoryUrl(transport, reference, `blobs/${descriptor.digest}`),
    domain: reference.domain,
    scopes: [scopeOf(reference, ...actions)],
    what: `look for blob ${descriptor.digest} in ${formatRepository(reference)}`,
    signal,
    expect: [200, 404],
  });
  await discardBody(response);
  return response.status === 200;
}

/** Starts an upload, mounts instead if it can, sends the bytes. One attempt. */
export async function uploadBlob(
  transport: Transport,
  reference: Reference,
  descriptor: Descriptor,
  open: () => AsyncIterable<Uint8Array>,
  { mountFrom, chunkBytes, signal }: UploadOptions,
): Promise<PushOutcome> {
  const source = mountFrom !== undefined && canMount(mountFrom, reference) ? mountFrom : undefined;
  const common: Common = {
    domain: reference.domain,
    scopes: [scopeOf(reference, 'pull', 'push'), ...(source ? [scopeOf(source, 'pull')] : [])],
    what: `upload blob ${descriptor.digest} to ${quote(reference)}`,
    signal,
  };
  const url = repositoryUrl(transport, reference, 'blobs/uploads/');
  if (source !== undefined) {
    url.searchParams.set('mount', descriptor.digest);
    url.searchParams.set('from', source.path);
  }
  const empty = Buffer.alloc(0);
  const started = await transport.send({
    ...common,
    method: 'POST',
    url,
    body: empty,
    expect: source === undefined ? [202] : [201, 202],
  });
  await discardBody(started);
  if (started.status === 201) return 'mounted';
  let location = locationOf(transport, started, common);
  // The sender's own mistake, like a file that changed, must not look like the network's.
  const checked = (): AsyncIterable<Uint8Array> =>
    verified(open(), descriptor, `blob ${descriptor.digest}`);
  let body: RequestBody | Buffer = { size: descriptor.size, open: checked };
  if (chunkBytes !== undefined) {
    const least = Number(header(started, 'oci-chunk-min-length') ?? 0) || 0;
    const sizeBytes = Math.max(chunkBytes, least);
    location = await sendChunks(transport, location, checked, { ...common, sizeBytes });
    body = empty;
  }
  location.searchParams.set('digest', descriptor.digest);
  const headers = { 'content-type': 'application/octet-stream' };
  const done = await transport.send({
    ...common,
    method: 'PUT',
    url: location,
    headers,
    body,
    expect: [201],
  });
  await discardBody(done);
  return 'uploaded';
}

/** Sends the bytes in PATCH requests; returns where to close the upload. */
async function sendChunks(
  transport: Transport,
  location: URL,
  open: () => AsyncIterable<Uint8Array>,
  { sizeBytes, ...common }: Common & { sizeBytes: number },
): Promise<URL> {
  let next = location;
  let offset = 0;
  for await (const chunk of inPieces(open(), sizeBytes)) {
    const response = await transport.send({
      ...common,
      method: 'PATCH',
      url: next,
      headers: {
        'content-type': 'application/octet-stream',
        'content-range': `${offset}-${offset + chunk.length - 1}`,
      },
      body: chunk,
      expect: [202],
    });
    await discardBody(response);
    offset += chunk.length;
    next = locationOf(transport, response, { ...common, url: next });
  }
  return next;
}

/** Cuts a stream into pieces of `sizeBytes`, the last one shorter. */
export async function* inPieces(
  stream: AsyncIterable<Uint8Array>,
  sizeBytes: number,
): AsyncGenerator<Buffer, void, undefined> {
  let parts: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of stream) {
    let rest = chunk;
    while (size + rest.length >= sizeBytes) {
      const head = rest.subarray(0, sizeBytes - size);
      rest = rest.subarray(head.length);
      yield Buffer.concat([...parts, head]);
      parts = [];
      size = 0;
    }
    if (rest.length > 0) parts.push(rest);
    size += rest.length;
  }
  if (size > 0) yield Buffer.concat(parts);
}

function canMount(from: Reference, to: Reference): boolean {
  return from.domain === to.domain && from.path !== to.path;
}

function locationOf(
  transport: Transport,
  response: HttpResponse,
  { what }: Common & { url?: URL },
): URL {
  const location = header(response, 'location');
  if (location === undefined) {
    throw new RegistryError(
      'TSB_REGISTRY',
      `Cannot ${what}: the registry names no upload location`,
    );
  }
  return transport.origins.follow(location, response.url, what);
}
