import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import test from 'node:test';
import { describeBytes } from '../oci/descriptor.js';
import { digestOf } from '../oci/digest.js';
import { ociIndex } from '../oci/image-index.js';
import { encodeJson } from '../oci/json.js';
import { MEDIA_TYPE } from '../oci/media-types.js';
import { parsePlatform } from '../oci/platform.js';
import type { Reference } from '../oci/reference.js';
import { parseReference } from '../oci/reference.js';
import type { SampleImage } from '../testing/registry-image.js';
import { sampleImage } from '../testing/registry-image.js';
import type { Fault } from '../testing/registry-fault.js';
import type { TestRegistryOptions } from '../testing/registry.js';
import { TestRegistry } from '../testing/registry.js';
import { UserError } from '../util/errors.js';
import type { RegistryClientOptions } from './client.js';
import { RegistryClient } from './client.js';
import type { RegistryLimits } from './limits.js';
import { RegistryError } from './registry-error.js';

const LAYER = randomBytes(300_000);
const IMAGE = sampleImage([LAYER]);
const PLATFORM = parsePlatform('linux/amd64');
const QUICK: Partial<RegistryLimits> = { backoffFirstMs: 1, backoffMsMax: 2, attemptsMax: 3 };

interface Fixture extends AsyncDisposable {
  readonly registry: TestRegistry;
  readonly client: RegistryClient;
  readonly reference: Reference;
}

async function start(
  options: TestRegistryOptions = {},
  clientOptions: Partial<RegistryClientOptions> = {},
  image: SampleImage = IMAGE,
): Promise<Fixture> {
  const registry = await TestRegistry.start(options);
  for (const bytes of image.blobs.values()) registry.addBlob(bytes);
  registry.addManifest('a/b', 'v1', image.manifestBytes, MEDIA_TYPE.ociManifest);
  const client = new RegistryClient({
    insecureRegistries: registry.insecureRegistries,
    userAgent: 'test',
    limits: QUICK,
    ...clientOptions,
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

async function readBlob({ client, reference }: Fixture, signal?: AbortSignal): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const blob = await client.openBlob(reference, describeBytes(MEDIA_TYPE.ociLayer, LAYER), signal);
  for await (const chunk of blob) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function failsWith(code: string, message?: RegExp, hint?: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert(error instanceof UserError, String(error));
    assert.equal(error.code, code, error.message);
    if (message !== undefined) assert.match(error.message, message);
    if (hint !== undefined) assert.match(error.hint ?? '', hint);
    return true;
  };
}

test('resolve() finds an image by tag and by digest', async () => {
  await using fixture = await start();
  const { client, reference } = fixture;
  const image = await client.resolve(reference, { platform: PLATFORM });
  assert.deepEqual(image.descriptor, IMAGE.descriptor);
  assert.deepEqual(image.root, IMAGE.descriptor);
  assert.deepEqual(image.manifest, IMAGE.manifest);
  assert.deepEqual(image.config, IMAGE.config);
  assert.equal(image.reference.digest, IMAGE.descriptor.digest);
  const again = await client.resolve(image.reference, { platform: PLATFORM });
  assert.deepEqual(again.manifestBytes, image.manifestBytes);
  assert.equal(await client.findDigest(reference), IMAGE.descriptor.digest);
  assert.equal(await client.findDigest({ ...reference, tag: 'none' }), undefined);
});

test('resolve() chooses from an index, and says what there is', async () => {
  const arm = sampleImage([LAYER], parsePlatform('arm64'));
  await using fixture = await start();
  const { registry, client, reference } = fixture;
  for (const bytes of arm.blobs.values()) registry.addBlob(bytes);
  registry.addManifest('a/b', 'arm', arm.manifestBytes, MEDIA_TYPE.ociManifest);
  const index = ociIndex([
    { ...IMAGE.descriptor, platform: PLATFORM },
    { ...arm.descriptor, platform: parsePlatform('arm64') },
  ]);
  registry.addManifest('a/b', 'multi', encodeJson(index), MEDIA_TYPE.ociIndex);
  const multi = { ...reference, tag: 'multi' };
  const image = await client.resolve(multi, { platform: parsePlatform('aarch64') });
  assert.deepEqual(image.descriptor, arm.descriptor);
  assert.equal(image.root.digest, digestOf(encodeJson(index)));
  await assert.rejects(
    client.resolve(multi, { platform: parsePlatform('s390x') }),
    failsWith('TSB_IMAGE_NOT_FOUND', /linux\/s390x/, /linux\/amd64, linux\/arm64\/v8/),
  );
  await assert.rejects(
    client.resolve(reference, { platform: parsePlatform('s390x') }),
    failsWith('TSB_IMAGE_NOT_FOUND', /linux\/s390x/, /for linux\/amd64 alone/),
  );
});

test('resolve() refuses indexes that lead to indexes without end', async () => {
  await using fixture = await start();
  const { registry, client, reference } = fixture;
  let inner = { ...IMAGE.descriptor, platform: PLATFORM };
  for (let depth = 0; depth < 4; depth++) {
    const bytes = encodeJson(ociIndex([inner]));
    registry.addManifest('a/b', 'deep', bytes, MEDIA_TYPE.ociIndex);
    inner = { ...describeBytes(MEDIA_TYPE.ociIndex, bytes), platform: PLATFORM };
  }
  const deep = client.resolve({ ...reference, tag: 'deep' }, { platform: PLATFORM });
  await assert.rejects(deep, failsWith('TSB_LIMIT', /too deep/));
});

const RESOLVE_FAULTS: [name: string, fault: Fault, code: string, message: RegExp][] = [
  [
    'a missing tag',
    { on: /manifests/, act: { kind: 'status', status: 404 } },
    'TSB_IMAGE_NOT_FOUND',
    /Cannot fetch manifest of "127\.0\.0\.1:\d+\/a\/b:v1": answer 404/,
  ],
  [
    'a manifest with a byte changed',
    { on: /manifests/, act: { kind: 'body', change: (body) => flip(body) } },
    'TSB_DIGEST_MISMATCH',
    /digest sha256:\w+, want/,
  ],
  [
    'a truncated manifest',
    { on: /manifests/, act: { kind: 'body', change: (body) => body.subarray(0, 50) } },
    'TSB_DIGEST_MISMATCH',
    /digest/,
  ],
  [
    'an oversized manifest',
    { on: /manifests/, act: { kind: 'body', change: () => Buffer.alloc(4 * 2 ** 20 + 1, ' ') } },
    'TSB_LIMIT',
    /more than 4194304 bytes/,
  ],
  [
    'an oversized manifest of unknown length',
    {
      on: /manifests/,
      act: { kind: 'body', change: () => Buffer.alloc(5 * 2 ** 20, ' '), chunked: true },
    },
    'TSB_LIMIT',
    /more than 4194304 bytes/,
  ],
  [
    'a manifest that cannot be had',
    { on: /manifests/, times: 9, act: { kind: 'status', status: 500, body: 'oops' } },
    'TSB_REGISTRY',
    /answer 500$/,
  ],
  [
    'a redirect to plain http',
    {
      on: /manifests/,
      act: { kind: 'status', status: 307, headers: { location: 'http://192.0.2.1/x?sig=secret' } },
    },
    'TSB_REGISTRY',
    /sent to http:\/\/192\.0\.2\.1, want https$/,
  ],
  [
    'redirects without end',
    {
      on: /manifests/,
      times: 99,
      act: { kind: 'status', status: 302, headers: { location: 'v1' } },
    },
    'TSB_REGISTRY',
    /more than 5 redirects/,
  ],
  [
    'a config with a byte changed',
    { on: /blobs/, act: { kind: 'body', change: (body) => flip(body) } },
    'TSB_DIGEST_MISMATCH',
    /Cannot verify blob/,
  ],
];

for (const [name, fault, code, message] of RESOLVE_FAULTS) {
  test(`resolve() refuses ${name}`, async () => {
    await using fixture = await start();
    fixture.registry.inject(fault);
    const resolved = fixture.client.resolve(fixture.reference, { platform: PLATFORM });
    await assert.rejects(resolved, failsWith(code, message));
  });
}

test('resolve() refuses an oversized config before it asks for it', async () => {
  const huge = { ...IMAGE.manifest, config: { ...IMAGE.manifest.config, size: 2 ** 30 } };
  await using fixture = await start();
  const { registry, client, reference } = fixture;
  registry.addManifest('a/b', 'huge', encodeJson(huge), MEDIA_TYPE.ociManifest);
  const resolved = client.resolve({ ...reference, tag: 'huge' }, { platform: PLATFORM });
  await assert.rejects(resolved, failsWith('TSB_LIMIT', /1073741824 bytes/));
  assert.equal(registry.lines().length, 1);
});

const TRANSIENT: [name: string, fault: Fault][] = [
  ['a cut before the answer', { on: /GET .*blobs/, act: { kind: 'cut' } }],
  ['a 500', { on: /GET .*blobs/, times: 2, act: { kind: 'status', status: 500 } }],
  [
    'a 429 with Retry-After',
    { on: /GET .*blobs/, act: { kind: 'status', status: 429, headers: { 'retry-after': '0' } } },
  ],
  ['a cut in the middle', { on: /GET .*blobs/, act: { kind: 'cut', afterBytes: 100_000 } }],
];

for (const [name, fault] of TRANSIENT) {
  test(`openBlob() gets over ${name}`, async () => {
    let retries = 0;
    await using fixture = await start({}, { onRetry: () => retries++ });
    fixture.registry.inject(fault);
    assert.deepEqual(await readBlob(fixture), LAYER);
    assert.equal(retries, fault.times ?? 1);
  });
}

test('openBlob() resumes where a download broke, more often than it retries', async () => {
  await using fixture = await start();
  fixture.registry.inject({ on: /blobs/, times: 5, act: { kind: 'cut', afterBytes: 50_000 } });
  assert.deepEqual(await readBlob(fixture), LAYER);
  const ranges = fixture.registry.seen.map(({ headers }) => headers.range);
  assert.equal(ranges[0], undefined);
  const starts = ranges.slice(1).map((range) => Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1]));
  assert(starts.length >= 5 && starts.every((start, index) => start > (starts[index - 1] ?? 0)));
});

test('openBlob() skips the beginning when the registry ignores the range', async () => {
  await using fixture = await start();
  fixture.registry.inject({ on: /blobs/, act: { kind: 'cut', afterBytes: 100_000 } });
  fixture.registry.inject({ on: /blobs/, act: { kind: 'no-range' } });
  assert.deepEqual(await readBlob(fixture), LAYER);
});

test('openBlob() gives up on a download that never brings a byte', async () => {
  await using fixture = await start();
  fixture.registry.inject({ on: /blobs/, times: 99, act: { kind: 'cut' } });
  await assert.rejects(readBlob(fixture), failsWith('TSB_NETWORK', /Cannot download blob/));
  assert.equal(fixture.registry.lines().length, 3);
});

const WRONG: [name: string, fault: Fault, message: RegExp][] = [
  ['other bytes', { on: /blobs/, act: { kind: 'body', change: (body) => flip(body) } }, /digest/],
  [
    'a shorter blob',
    { on: /blobs/, act: { kind: 'body', change: (body) => body.subarray(1) } },
    /299999 bytes, want 300000/,
  ],
  [
    'a shorter blob of unknown length',
    { on: /blobs/, act: { kind: 'body', change: (body) => body.subarray(1), chunked: true } },
    /299999 bytes, want 300000/,
  ],
  [
    'a longer blob of unknown length',
    { on: /blobs/, act: { kind: 'body', change: (b) => Buffer.concat([b, b]), chunked: true } },
    /more bytes, want 300000/,
  ],
];

for (const [name, fault, message] of WRONG) {
  test(`openBlob() refuses ${name}`, async () => {
    await using fixture = await start();
    fixture.registry.inject(fault);
    await assert.rejects(readBlob(fixture), failsWith('TSB_DIGEST_MISMATCH', message));
  });
}

test('openBlob() stops at a stalled body, and resumes', async () => {
  await using fixture = await start({}, { limits: { ...QUICK, bodyIdleTimeoutMs: 1000 } });
  fixture.registry.inject({ on: /blobs/, act: { kind: 'stall' } });
  assert.deepEqual(await readBlob(fixture), LAYER);
});

test('openBlob() stops waiting for a slow answer', async () => {
  const limits = { ...QUICK, headersTimeoutMs: 100, attemptsMax: 1 };
  await using fixture = await start({}, { limits });
  fixture.registry.inject({ on: /blobs/, act: { kind: 'slow', delayMs: 3000 } });
  await assert.rejects(readBlob(fixture), failsWith('TSB_NETWORK', /Headers Timeout/));
});

test('openBlob() ends at once when the signal is aborted, with its reason', async () => {
  await using fixture = await start();
  fixture.registry.inject({ on: /blobs/, times: 9, act: { kind: 'stall' } });
  const reason = new Error('enough');
  const controller = new AbortController();
  setTimeout(() => controller.abort(reason), 50);
  await assert.rejects(readBlob(fixture, controller.signal), (error) => error === reason);
  await assert.rejects(readBlob(fixture, controller.signal), (error) => error === reason);
});

test('a wait before a retry ends when the signal is aborted', async () => {
  const controller = new AbortController();
  const reason = new Error('enough');
  const onRetry = (): void => {
    setTimeout(() => controller.abort(reason), 20);
  };
  await using fixture = await start(
    {},
    { onRetry, limits: { ...QUICK, backoffFirstMs: 60_000, backoffMsMax: 60_000 } },
  );
  fixture.registry.inject({ on: /blobs/, times: 9, act: { kind: 'status', status: 503 } });
  await assert.rejects(readBlob(fixture, controller.signal), (error) => error === reason);
});

test('a Retry-After that is too long is not waited for', async () => {
  await using fixture = await start();
  const headers = { 'retry-after': '86400' };
  fixture.registry.inject({ on: /blobs/, act: { kind: 'status', status: 429, headers } });
  await assert.rejects(readBlob(fixture), (error) => {
    assert(error instanceof RegistryError);
    assert.equal(error.status, 429);
    assert.equal(error.retryAfterMs, 86_400_000);
    assert.match(error.hint ?? '', /docker login/);
    return true;
  });
});

test('a registry that is not there is a TSB_NETWORK at once', async () => {
  await using fixture = await start();
  await fixture.registry[Symbol.asyncDispose]();
  const resolved = fixture.client.resolve(fixture.reference, { platform: PLATFORM });
  await assert.rejects(resolved, failsWith('TSB_NETWORK', /ECONNREFUSED/, /nothing listens/));
});

test('a host that is not listed gets https and nothing else', async () => {
  await using fixture = await start({}, { insecureRegistries: [] });
  const resolved = fixture.client.resolve(fixture.reference, { platform: PLATFORM });
  await assert.rejects(
    resolved,
    failsWith(
      'TSB_NETWORK',
      /: its answer is not TLS$/,
      /TSBUILD_INSECURE_REGISTRIES=127\.0\.0\.1:/,
    ),
  );
  assert.deepEqual(fixture.registry.seen, []);
});

test('a registry’s warning is told once', async () => {
  const warnings: string[] = [];
  await using fixture = await start({}, { onWarning: (_, text) => warnings.push(text) });
  const headers = { warning: '299 - "this tag \\"v1\\" goes"' };
  fixture.registry.inject({ on: /manifests/, times: 2, act: { kind: 'headers', headers } });
  await fixture.client.resolve(fixture.reference, { platform: PLATFORM });
  await fixture.client.resolve(fixture.reference, { platform: PLATFORM });
  assert.deepEqual(warnings, ['this tag "v1" goes']);
});

function flip(body: Buffer): Buffer {
  const copy = Buffer.from(body);
  copy[0] = (copy[0] ?? 0) ^ 1;
  return copy;
}
