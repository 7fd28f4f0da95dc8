import type { Descriptor } from '../oci/descriptor.js';
import type { Reference } from '../oci/reference.js';
import { verified } from '../oci/verify.js';
import { UserError } from '../util/errors.js';
import { quote, repositoryUrl, scopeOf } from './api.js';
import type { HttpResponse } from './http.js';
import { discardBody, header, readBody } from './http.js';
import { RegistryError } from './registry-error.js';
import type { Retry } from './retry.js';
import { waitBeforeRetry } from './retry.js';
import type { RegistryRequest, Transport } from './transport.js';

export interface DownloadOptions {
  readonly signal: AbortSignal | undefined;
  readonly onRetry: ((retry: Retry) => void) | undefined;
}

/**
 * A blob's bytes, checked to the end against its descriptor. After a break the download goes on
 * where it was; a registry that cannot do that sends the beginning again, which is skipped.
 */
export function downloadBlob(
  transport: Transport,
  reference: Reference,
  descriptor: Descriptor,
  options: DownloadOptions,
): AsyncGenerator<Buffer, void, undefined> {
  const what = `download blob ${descriptor.digest} of ${quote(reference)}`;
  const request: RegistryRequest = {
    method: 'GET',
    url: repositoryUrl(transport, reference, `blobs/${descriptor.digest}`),
    domain: reference.domain,
    scopes: [scopeOf(reference, 'pull')],
    what,
    signal: options.signal,
    expect: [200],
  };
  const stream = resuming(transport, request, descriptor, options);
  return verified(stream, descriptor, `blob ${descriptor.digest} of ${quote(reference)}`);
}

async function* resuming(
  transport: Transport,
  request: RegistryRequest,
  descriptor: Descriptor,
  { signal, onRetry }: DownloadOptions,
): AsyncGenerator<Buffer, void, undefined> {
  const { limits } = transport;
  let offset = 0;
  // Counts failures in a row: a try that brought bytes starts anew.
  let attempt = 0;
  for (let resumes = 0; ; resumes++) {
    const before = offset;
    try {
      for await (const chunk of download(transport, request, descriptor, offset)) {
        offset += chunk.length;
        yield chunk;
      }
      return;
    } catch (error) {
      attempt = offset > before ? 1 : attempt + 1;
      if (resumes >= limits.resumesMax) throw error;
      await waitBeforeRetry(error, attempt, { limits, signal, onRetry });
    }
  }
}

/** One attempt: the bytes from `offset` on. */
async function* download(
  transport: Transport,
  request: RegistryRequest,
  descriptor: Descriptor,
  offset: number,
): AsyncGenerator<Buffer, void, undefined> {
  const isWhole = offset === 0;
  const response = await transport.send(
    isWhole ? request : { ...request, headers: { range: `bytes=${offset}-` }, expect: [200, 206] },
  );
  let skip = response.status === 206 ? 0 : offset;
  const found = response.status === 206 ? rangeSize(response, offset) : contentLength(response);
  if (found !== undefined && found !== descriptor.size) {
    await discardBody(response);
    const message = `Cannot ${request.what}: ${found} bytes, want ${descriptor.size}`;
    throw new UserError('TSB_DIGEST_MISMATCH', message);
  }
  for await (const chunk of readBody(response, request)) {
    const fresh = chunk.subarray(skip);
    skip = Math.max(0, skip - chunk.length);
    if (fresh.length > 0) yield fresh;
  }
}

function contentLength(response: HttpResponse): number | undefined {
  const text = header(response, 'content-length');
  return text === undefined ? undefined : Number(text);
}

/** The size of the whole that a 206 names: `bytes 5-9/10`. */
function rangeSize(response: HttpResponse, offset: number): number | undefined {
  const range = header(response, 'content-range') ?? '';
  const [, start, , size] = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(range) ?? [];
  if (start === undefined || Number(start) !== offset) {
    const message = `Cannot resume a download: range ${JSON.stringify(range)}, want one from ${offset}`;
    response.body.on('error', () => undefined).destroy();
    throw new RegistryError('TSB_REGISTRY', message);
  }
  return size === '*' ? undefined : Number(size);
}
