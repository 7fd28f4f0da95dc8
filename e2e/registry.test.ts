import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import test from 'node:test';
import { gzipSync } from 'node:zlib';
import { execa } from 'execa';
import type { Descriptor } from '../src/oci/descriptor.js';
import { describeBytes } from '../src/oci/descriptor.js';
import { ociIndex } from '../src/oci/image-index.js';
import { encodeJson } from '../src/oci/json.js';
import { MEDIA_TYPE } from '../src/oci/media-types.js';
import { parsePlatform } from '../src/oci/platform.js';
import type { Reference } from '../src/oci/reference.js';
import { parseReference, withDigest } from '../src/oci/reference.js';
import { RegistryClient } from '../src/registry/client.js';
import type { Credential } from '../src/registry/credentials.js';
import { pullImage } from '../src/registry/pull.js';
import { pushImage } from '../src/registry/push.js';
import { REGISTRY_LOGIN, startDockerRegistry } from '../src/testing/docker-registry.js';
import type { SampleImage } from '../src/testing/registry-image.js';
import { sampleImage } from '../src/testing/registry-image.js';
import { requires } from '../src/testing/requires.js';
import { UserError } from '../src/util/errors.js';

const AMD64 = parsePlatform('linux/amd64');
const ARM64 = parsePlatform('linux/arm64');
const LAYERS = [gzipSync('base'), randomBytes(3_000_000), randomBytes(100)];
const LOGIN: Credential = { kind: 'basic', ...REGISTRY_LOGIN };

function clientOf(host: string, credential?: Credential): RegistryClient {
  return new RegistryClient({
    insecureRegistries: [host],
    userAgent: 'tsbuild-e2e',
    credentials: () => Promise.resolve(credential),
  });
}

async function* pieces(bytes: Buffer | undefined): AsyncGenerator<Buffer> {
  assert(bytes !== undefined);
  for (let start = 0; start < bytes.length; start += 65_536) {
    yield await Promise.resolve(bytes.subarray(start, start + 65_536));
  }
}

async function push(
  client: RegistryClient,
  reference: Reference,
  image: SampleImage,
  options: Parameters<typeof pushImage>[3] = {},
): Promise<string> {
  const { manifest, manifestBytes, descriptor } = image;
  const blobs = [...manifest.layers, manifest.config];
  const open = ({ digest }: Descriptor): AsyncIterable<Buffer> => pieces(image.blobs.get(digest));
  const { mediaType } = descriptor;
  return pushImage(client, reference, { manifestBytes, mediaType, blobs, open }, options);
}

async function pull(
  client: RegistryClient,
  reference: Reference,
  platform = AMD64,
): Promise<Map<string, Buffer>> {
  const blobs = new Map<string, Buffer>();
  const sink = {
    has: (digest: string) => blobs.has(digest),
    write: async ({ digest }: Descriptor, stream: AsyncIterable<Buffer>) => {
      const parts: Buffer[] = [];
      for await (const part of stream) parts.push(part);
      blobs.set(digest, Buffer.concat(parts));
    },
  };
  await pullImage(client, reference, { platform, sink });
  return blobs;
}

for (const [name, credential] of [
  ['without a login', undefined],
  ['with a login', LOGIN],
] as const) {
  test(`docker-registry ${name}: an image comes back by tag and by digest`, async (t) => {
    if (!requires(t, 'program:docker-registry')) return;
    await using registry = await startDockerRegistry({ login: credential !== undefined });
    await using client = clientOf(registry.host, credential);
    const image = sampleImage(LAYERS);
    const want = new Map([...image.blobs, [image.descriptor.digest, image.manifestBytes]]);
    const reference = parseReference(`${registry.host}/team/app:v1`);

    assert.equal(await push(client, reference, image), image.descriptor.digest);
    assert.equal(await client.findDigest(reference), image.descriptor.digest);
    assert.deepEqual(await pull(client, reference), want);
    const pinned = withDigest(reference, image.descriptor.digest);
    assert.deepEqual(await pull(client, pinned), want);

    const missing = pull(client, { ...reference, tag: 'v2' });
    await assert.rejects(missing, (error) => {
      assert(error instanceof UserError);
      assert.equal(error.code, 'TSB_IMAGE_NOT_FOUND');
      assert.match(error.message, /answer 404 \(MANIFEST_UNKNOWN: manifest unknown\)/);
      return true;
    });
  });
}

test('docker-registry: an index, chunked uploads and mounts', async (t) => {
  if (!requires(t, 'program:docker-registry')) return;
  await using registry = await startDockerRegistry();
  await using client = clientOf(registry.host);
  const reference = parseReference(`${registry.host}/multi:v1`);
  const images = [AMD64, ARM64].map((platform) => sampleImage(LAYERS, platform));
  const manifests: Descriptor[] = [];
  for (const [at, image] of images.entries()) {
    const { digest } = image.descriptor;
    await push(client, withDigest(reference, digest), image, { chunkBytes: 1_000_000 });
    manifests.push({ ...image.descriptor, platform: at === 0 ? AMD64 : ARM64 });
  }
  const index = encodeJson(ociIndex(manifests));
  await client.pushManifest(reference, index, MEDIA_TYPE.ociIndex);
  const pulled = await pull(client, reference, ARM64);
  assert(pulled.has(images[1]?.descriptor.digest ?? ''));
  assert(!pulled.has(images[0]?.descriptor.digest ?? ''));

  const [layer = Buffer.alloc(0)] = LAYERS;
  const descriptor = describeBytes(MEDIA_TYPE.ociLayer, layer);
  const other = parseReference(`${registry.host}/other:v1`);
  const open = (): never => assert.fail('opened');
  const outcome = await client.pushBlob(other, descriptor, open, { mountFrom: reference });
  assert.equal(outcome, 'mounted');
  assert(await client.hasBlob(other, descriptor));
});

for (const [name, credential, hint] of [
  ['nobody', undefined, /docker login/],
  ['a stranger', { ...LOGIN, password: 'wrong' }, /credentials .* do not allow/],
] as const) {
  test(`docker-registry with a login: ${name} is refused`, async (t) => {
    if (!requires(t, 'program:docker-registry')) return;
    await using registry = await startDockerRegistry({ login: true });
    await using client = clientOf(registry.host, credential);
    const pulled = pull(client, parseReference(`${registry.host}/team/app:v1`));
    await assert.rejects(pulled, (error) => {
      assert(error instanceof UserError);
      assert.equal(error.code, 'TSB_AUTH');
      assert.match(error.hint ?? '', hint);
      return true;
    });
  });
}

test('docker-registry: skopeo reads what we push, and we what it pushes', async (t) => {
  if (!requires(t, 'program:docker-registry', 'program:skopeo')) return;
  await using registry = await startDockerRegistry({ login: true });
  await using client = clientOf(registry.host, LOGIN);
  const image = sampleImage(LAYERS);
  const from = `${registry.host}/team/app:v1`;
  const to = `${registry.host}/team/copy:v1`;
  await push(client, parseReference(from), image);
  const creds = `${REGISTRY_LOGIN.username}:${REGISTRY_LOGIN.password}`;
  const raw = await execa('skopeo', [
    ...['inspect', '--raw', '--tls-verify=false', '--creds', creds],
    `docker://${from}`,
  ]);
  assert.equal(raw.stdout, image.manifestBytes.toString());
  await execa('skopeo', [
    ...['copy', '--src-tls-verify=false', '--dest-tls-verify=false', '--format', 'v2s2'],
    ...['--src-creds', creds, '--dest-creds', creds, `docker://${from}`, `docker://${to}`],
  ]);
  const copied = await client.resolve(parseReference(to), { platform: AMD64 });
  assert.equal(copied.descriptor.mediaType, MEDIA_TYPE.dockerManifest);
  assert.deepEqual(copied.config.rootfs, image.config.rootfs);
});
