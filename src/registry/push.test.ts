import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import test from 'node:test';
import type { Descriptor } from '../oci/descriptor.js';
import { parsePlatform } from '../oci/platform.js';
import type { Reference } from '../oci/reference.js';
import { formatRepository, parseReference } from '../oci/reference.js';
import { sampleImage } from '../testing/registry-image.js';
import type { TestRegistryOptions } from '../testing/registry.js';
import { TestRegistry } from '../testing/registry.js';
import { UserError } from '../util/errors.js';
import { inPieces } from './blob-upload.js';
import { RegistryClient } from './client.js';
import type { TransferProgress } from './pull.js';
import { pullImage } from './pull.js';
import type { PushableImage } from './push.js';
import { pushImage } from './push.js';

const LAYER = randomBytes(200_000);
const IMAGE = sampleImage([LAYER, Buffer.from('two'), LAYER]);
const [LAYER_DESCRIPTOR] = IMAGE.manifest.layers;
assert(LAYER_DESCRIPTOR !== undefined);
const PUSHABLE: PushableImage = {
  manifestBytes: IMAGE.manifestBytes,
  mediaType: IMAGE.descriptor.mediaType,
  blobs: [...IMAGE.manifest.layers, IMAGE.manifest.config],
  open: ({ digest }) => chunks(IMAGE.blobs.get(digest)),
};

async function* chunks(bytes: Buffer | undefined): AsyncGenerator<Buffer> {
  assert(bytes !== undefined);
  for (let start = 0; start < bytes.length; start += 65_536) {
    yield await Promise.resolve(bytes.subarray(start, start + 65_536));
  }
}

interface Fixture extends AsyncDisposable {
  readonly registry: TestRegistry;
  readonly client: RegistryClient;
  readonly reference: Reference;
}

async function start(options: TestRegistryOptions = {}): Promise<Fixture> {
  const registry = await TestRegistry.start(options);
  const client = new RegistryClient({
    insecureRegistries: registry.insecureRegistries,
    userAgent: 'test',
    limits: { backoffFirstMs: 1, attemptsMax: 3 },
  });
  return {
    registry,
    client,
    reference: parseReference(`${registry.host}/a/b:v1`),
    async [Symbol.asyncDispose]() {
      await client[Symbol.asyncDispose]();
      await registry[Symbol.asyncDispose]();
    },
  };
}

function count(registry: TestRegistry, line: RegExp): number {
  return registry.lines().filter((text) => line.test(text)).length;
}

for (const auth of ['none', 'bearer'] as const) {
  test(`pushImage() makes an image that pullImage() gets back, auth ${auth}`, async () => {
    await using fixture = await start({ auth });
    const { registry, client, reference } = fixture;
    const progress: TransferProgress[] = [];
    const onProgress = (step: TransferProgress): number => progress.push(step);
    const digest = await pushImage(client, reference, PUSHABLE, { onProgress });
    assert.equal(digest, IMAGE.descriptor.digest);
    assert.deepEqual([...registry.blobs.keys()].sort(), [...IMAGE.blobs.keys()].sort());
    const layer = progress.filter(
      ({ descriptor }) => descriptor.digest === LAYER_DESCRIPTOR.digest,
    );
    assert.deepEqual(layer.at(-1), {
      descriptor: LAYER_DESCRIPTOR,
      bytes: LAYER.length,
      state: 'done',
    });
    assert(registry.lines().at(-1)?.startsWith('PUT /v2/a/b/manifests/v1'));
    const pulled = new Map<string, Buffer>();
    const sink = {
      has: (wanted: string) => pulled.has(wanted),
      write: async (descriptor: Descriptor, stream: AsyncIterable<Buffer>) => {
        const parts: Buffer[] = [];
        for await (const part of stream) parts.push(part);
        pulled.set(descriptor.digest, Buffer.concat(parts));
      },
    };
    await pullImage(client, reference, { platform: parsePlatform('linux/amd64'), sink });
    assert.deepEqual(
      pulled,
      new Map([...IMAGE.blobs, [IMAGE.descriptor.digest, IMAGE.manifestBytes]]),
    );
  });
}

test('pushImage() does not send what is there', async () => {
  await using fixture = await start();
  const { registry, client, reference } = fixture;
  for (const bytes of IMAGE.blobs.values()) registry.addBlob(bytes);
  const states: string[] = [];
  await pushImage(client, reference, PUSHABLE, { onProgress: ({ state }) => states.push(state) });
  assert.deepEqual(states, ['reused', 'reused', 'reused']);
  assert.equal(count(registry, /^POST/), 0);
});

test('pushBlob() mounts from another repository, with a token for both', async () => {
  await using fixture = await start({ auth: 'bearer' });
  const { registry, client, reference } = fixture;
  const digest = registry.addBlob(LAYER);
  registry.hidden.add(`a/b@${digest}`);
  const mountFrom = parseReference(`${registry.host}/base/image`);
  const open = (): never => assert.fail('opened');
  assert.equal(await client.pushBlob(reference, LAYER_DESCRIPTOR, open, { mountFrom }), 'mounted');
  assert.match(registry.lines().at(-1) ?? '', /\?mount=sha256%3A\w+&from=base%2Fimage$/);
  assert.match(registry.lines('token').at(-1) ?? '', /scope=repository%3Abase%2Fimage%3Apull/);
});

test('pushBlob() uploads when the mount is not possible, or not allowed', async () => {
  for (const status of [undefined, 403]) {
    await using fixture = await start();
    const { registry, client, reference } = fixture;
    if (status !== undefined) registry.inject({ on: /mount=/, act: { kind: 'status', status } });
    const mountFrom = parseReference(`${registry.host}/base/image`);
    const open = (): AsyncIterable<Buffer> => chunks(LAYER);
    assert.equal(
      await client.pushBlob(reference, LAYER_DESCRIPTOR, open, { mountFrom }),
      'uploaded',
    );
    assert.deepEqual(registry.blobs.get(LAYER_DESCRIPTOR.digest), LAYER);
  }
});

test('pushBlob() uploads in pieces when asked to', async () => {
  await using fixture = await start();
  const { registry, client, reference } = fixture;
  const open = (): AsyncIterable<Buffer> => chunks(LAYER);
  await client.pushBlob(reference, LAYER_DESCRIPTOR, open, { chunkBytes: 70_000 });
  const ranges = registry.seen.map(({ headers }) => headers['content-range']).filter(Boolean);
  assert.deepEqual(ranges, ['0-69999', '70000-139999', '140000-199999']);
  assert.deepEqual(registry.blobs.get(LAYER_DESCRIPTOR.digest), LAYER);
});

test('pushBlob() uploads once when called twice', async () => {
  await using fixture = await start();
  const { registry, client, reference } = fixture;
  const push = (): Promise<string> =>
    client.pushBlob(reference, LAYER_DESCRIPTOR, () => chunks(LAYER));
  await Promise.all([push(), push()]);
  await push();
  assert.equal(count(registry, /^POST/), 1);
  assert.equal(formatRepository(reference), `${registry.host}/a/b`);
});

for (const [name, act] of [
  ['a 503', { kind: 'status', status: 503 }],
  ['a broken connection', { kind: 'cut' }],
] as const) {
  test(`pushBlob() starts again after ${name}`, async () => {
    await using fixture = await start();
    const { registry, client, reference } = fixture;
    registry.inject({ on: /^PUT/, times: 2, act });
    let opened = 0;
    const open = (): AsyncIterable<Buffer> => {
      opened++;
      return chunks(LAYER);
    };
    await client.pushBlob(reference, LAYER_DESCRIPTOR, open);
    assert.equal(opened, 3);
    assert.deepEqual(registry.blobs.get(LAYER_DESCRIPTOR.digest), LAYER);
  });
}

test('pushBlob() throws what the source threw, and does not try again', async () => {
  await using fixture = await start();
  const { registry, client, reference } = fixture;
  const failure = Object.assign(new Error('read'), { code: 'EIO' });
  async function* broken(): AsyncGenerator<Buffer> {
    yield await Promise.resolve(LAYER.subarray(0, 1000));
    throw failure;
  }
  const pushed = client.pushBlob(reference, LAYER_DESCRIPTOR, broken);
  await assert.rejects(pushed, (error) => error === failure);
  assert.equal(count(registry, /^POST/), 1);
  assert.equal(await client.pushBlob(reference, LAYER_DESCRIPTOR, () => chunks(LAYER)), 'uploaded');
});

for (const [name, bytes] of [
  ['shorter', LAYER.subarray(1)],
  ['longer', Buffer.concat([LAYER, LAYER])],
  ['different', randomBytes(LAYER.length)],
] as const) {
  test(`pushBlob() refuses a source that is ${name}`, async () => {
    await using fixture = await start();
    const { registry, client, reference } = fixture;
    const pushed = client.pushBlob(reference, LAYER_DESCRIPTOR, () => chunks(bytes));
    await assert.rejects(
      pushed,
      (error) => error instanceof UserError && error.code === 'TSB_DIGEST_MISMATCH',
    );
    assert.equal(registry.blobs.size, 0);
  });
}

test('pushManifest() sees when the registry has stored something else', async () => {
  await using fixture = await start();
  const { registry, client, reference } = fixture;
  const headers = { 'docker-content-digest': LAYER_DESCRIPTOR.digest };
  registry.inject({ on: /^PUT/, act: { kind: 'headers', headers } });
  const { mediaType } = IMAGE.descriptor;
  const pushed = client.pushManifest(reference, IMAGE.manifestBytes, mediaType);
  await assert.rejects(pushed, /the registry stored sha256:/);
});

test('inPieces() cuts a stream anew', async () => {
  const cut = async (parts: string[], size: number): Promise<string[]> => {
    const stream = (async function* () {
      for (const part of parts) yield await Promise.resolve(Buffer.from(part));
    })();
    const pieces: string[] = [];
    for await (const piece of inPieces(stream, size)) pieces.push(piece.toString());
    return pieces;
  };
  assert.deepEqual(await cut(['abcdefg', '', 'h'], 3), ['abc', 'def', 'gh']);
  assert.deepEqual(await cut(['ab', 'cd'], 4), ['abcd']);
  assert.deepEqual(await cut([], 4), []);
});
