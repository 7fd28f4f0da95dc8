import type { Descriptor } from '../oci/descriptor.js';
import type { Digest } from '../oci/digest.js';
import { digestOf, isDigest } from '../oci/digest.js';
import { MANIFEST_MEDIA_TYPES } from '../oci/media-types.js';
import type { ManifestOrIndex } from '../oci/manifest.js';
import { parseManifestOrIndex } from '../oci/manifest.js';
import type { Reference } from '../oci/reference.js';
import { DEFAULT_TAG } from '../oci/reference.js';
import { UserError } from '../util/errors.js';
import { quote, repositoryUrl, scopeOf } from './api.js';
import type { HttpResponse } from './http.js';
import { discardBody, header, readAll } from './http.js';
import { RegistryError } from './registry-error.js';
import type { RegistryRequest, Transport } from './transport.js';

/** A manifest or an index as the registry stores it. */
export interface FetchedManifest {
  readonly descriptor: Descriptor;
  readonly bytes: Buffer;
  readonly parsed: ManifestOrIndex;
}

/** Gets what the reference names (digest before tag), checked against its digest. One attempt. */
export async function fetchManifest(
  transport: Transport,
  reference: Reference,
  signal: AbortSignal | undefined,
): Promise<FetchedManifest> {
  const what = `fetch manifest of ${quote(reference)}`;
  const request = manifestRequest(transport, reference, { method: 'GET', what, signal });
  const response = await transport.send({ ...request, expect: [200] });
  const bytesMax = transport.limits.manifestBytesMax;
  const tooLong = (): RegistryError =>
    new RegistryError('TSB_LIMIT', `Cannot ${what}: more than ${bytesMax} bytes`);
  if (Number(header(response, 'content-length') ?? 0) > bytesMax) {
    response.body.on('error', () => undefined).destroy();
    throw tooLong();
  }
  const bytes = await readAll(response, request, { bytesMax, tooLong });
  const digest = digestOf(bytes);
  const expected = reference.digest ?? announcedDigest(response);
  if (expected !== undefined && expected !== digest) {
    const found = `digest ${digest}, want ${expected}`;
    throw new UserError('TSB_DIGEST_MISMATCH', `Cannot ${what}: ${found}`);
  }
  const type = header(response, 'content-type')?.split(';')[0]?.trim();
  const parsed = parseManifestOrIndex(bytes, type, `manifest of ${quote(reference)}`);
  return { descriptor: { mediaType: parsed.mediaType, digest, size: bytes.length }, bytes, parsed };
}

/** The digest that the reference's tag has in the registry; undefined: there is none. One attempt. */
export async function findManifestDigest(
  transport: Transport,
  reference: Reference,
  signal: AbortSignal | undefined,
): Promise<Digest | undefined> {
  const what = `look for ${quote(reference)}`;
  const request = manifestRequest(transport, reference, { method: 'HEAD', what, signal });
  const response = await transport.send({ ...request, expect: [200, 404] });
  await discardBody(response);
  if (response.status === 404) return undefined;
  return (
    announcedDigest(response) ??
    (await fetchManifest(transport, reference, signal)).descriptor.digest
  );
}

/** Stores a manifest under the reference's tag or digest; returns its digest. One attempt. */
export async function putManifest(
  transport: Transport,
  reference: Reference,
  {
    bytes,
    mediaType,
    signal,
  }: { bytes: Buffer; mediaType: string; signal: AbortSignal | undefined },
): Promise<Digest> {
  const what = `push manifest of ${quote(reference)}`;
  const response = await transport.send({
    method: 'PUT',
    url: repositoryUrl(transport, reference, `manifests/${nameOf(reference)}`),
    domain: reference.domain,
    scopes: [scopeOf(reference, 'pull', 'push')],
    headers: { 'content-type': mediaType },
    body: bytes,
    what,
    signal,
    expect: [201],
  });
  await discardBody(response);
  const digest = digestOf(bytes);
  const announced = announcedDigest(response);
  if (announced !== undefined && announced !== digest) {
    const found = `the registry stored ${announced}, want ${digest}`;
    throw new UserError('TSB_DIGEST_MISMATCH', `Cannot ${what}: ${found}`);
  }
  return digest;
}

function manifestRequest(
  transport: Transport,
  reference: Reference,
  { method, what, signal }: Pick<RegistryRequest, 'method' | 'what' | 'signal'>,
): Omit<RegistryRequest, 'expect'> {
  return {
    method,
    url: repositoryUrl(transport, reference, `manifests/${nameOf(reference)}`),
    domain: reference.domain,
    scopes: [scopeOf(reference, 'pull')],
    headers: { accept: MANIFEST_MEDIA_TYPES.join(', ') },
    what,
    signal,
  };
}

function nameOf({ tag, digest }: Reference): string {
  return digest ?? tag ?? DEFAULT_TAG;
}

function announcedDigest(response: HttpResponse): Digest | undefined {
  const text = header(response, 'docker-content-digest');
  return text !== undefined && isDigest(text) ? text : undefined;
}
