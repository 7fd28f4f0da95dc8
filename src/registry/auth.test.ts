import assert from 'node:assert/strict';
import test from 'node:test';
import { inspect } from 'node:util';
import { MEDIA_TYPE } from '../oci/media-types.js';
import { parsePlatform } from '../oci/platform.js';
import { parseReference } from '../oci/reference.js';
import { sampleImage } from '../testing/registry-image.js';
import type { TestRegistryOptions } from '../testing/registry.js';
import { TestRegistry } from '../testing/registry.js';
import { UserError } from '../util/errors.js';
import { RegistryClient } from './client.js';
import type { Credential } from './credentials.js';
import { pullImage } from './pull.js';

const IMAGE = sampleImage([Buffer.from('one'), Buffer.from('two'), Buffer.from('one')]);
const PLATFORM = parsePlatform('linux/amd64');
const PASSWORD = 's3cret:pass';
const LOGIN = { username: 'me', password: PASSWORD };
const BASIC: Credential = { kind: 'basic', ...LOGIN };
const WRONG: Credential = { kind: 'basic', username: 'me', password: 'wr0ng' };
const IDENTITY: Credential = { kind: 'identity', token: 'id3ntity' };

async function pull(
  registry: TestRegistry,
  credential?: Credential,
  limits = {},
): Promise<{ written: string[]; asked: string[] }> {
  for (const bytes of IMAGE.blobs.values()) registry.addBlob(bytes);
  registry.addManifest('a/b', 'v1', IMAGE.manifestBytes, MEDIA_TYPE.ociManifest);
  const asked: string[] = [];
  await using client = new RegistryClient({
    insecureRegistries: registry.insecureRegistries,
    userAgent: 'test',
    credentials: (domain) => {
      asked.push(domain);
      return Promise.resolve(credential);
    },
    limits: { backoffFirstMs: 1, attemptsMax: 2, ...limits },
  });
  const written: string[] = [];
  const sink = {
    has: () => false,
    write: async ({ digest }: { digest: string }, stream: AsyncIterable<Buffer>) => {
      for await (const _ of stream);
      written.push(digest);
    },
  };
  await pullImage(client, parseReference(`${registry.host}/a/b:v1`), { platform: PLATFORM, sink });
  return { written, asked };
}

const FLOWS: [name: string, options: TestRegistryOptions, credential: Credential | undefined][] = [
  ['without authentication', {}, BASIC],
  ['with basic', { auth: 'basic', login: LOGIN }, BASIC],
  ['with an anonymous token', { auth: 'bearer' }, undefined],
  ['with a token for a password', { auth: 'bearer', login: LOGIN }, BASIC],
  [
    'with a token for an identity token',
    { auth: 'bearer', login: LOGIN, identityToken: IDENTITY.token },
    IDENTITY,
  ],
];

for (const [name, options, credential] of FLOWS) {
  test(`a pull works ${name}`, async () => {
    await using registry = await TestRegistry.start(options);
    const { written, asked } = await pull(registry, credential);
    assert.equal(written.length, 4);
    assert.equal(written.at(-1), IMAGE.descriptor.digest);
    assert.deepEqual(asked, options.auth === undefined ? [] : [registry.host]);
    // One token serves the whole pull.
    assert.equal(registry.lines('token').length, options.auth === 'bearer' ? 1 : 0);
    if (options.auth === undefined) {
      assert(registry.seen.every(({ headers }) => headers.authorization === undefined));
    }
  });
}

test('a token request names service and scope, and the scope has the path', async () => {
  await using registry = await TestRegistry.start({ auth: 'bearer', login: LOGIN });
  await pull(registry, BASIC);
  assert.deepEqual(registry.lines('token'), [
    'GET /token?service=test+registry&scope=repository%3Aa%2Fb%3Apull',
  ]);
});

test('an expired token is renewed', async () => {
  await using registry = await TestRegistry.start({ auth: 'bearer' });
  registry.inject({ on: /manifests/, act: { kind: 'slow', delayMs: 1 } });
  const client = new RegistryClient({
    insecureRegistries: registry.insecureRegistries,
    userAgent: 'test',
  });
  await using _client = client;
  for (const bytes of IMAGE.blobs.values()) registry.addBlob(bytes);
  registry.addManifest('a/b', 'v1', IMAGE.manifestBytes, MEDIA_TYPE.ociManifest);
  const reference = parseReference(`${registry.host}/a/b:v1`);
  await client.resolve(reference, { platform: PLATFORM });
  registry.expireTokens();
  await client.resolve(reference, { platform: PLATFORM });
  assert.equal(registry.lines('token').length, 2);
});

const REFUSED: [
  name: string,
  options: TestRegistryOptions,
  credential: Credential | undefined,
  hint: RegExp,
][] = [
  ['no credentials for basic', { auth: 'basic', login: LOGIN }, undefined, /docker login 127/],
  ['a wrong password for basic', { auth: 'basic', login: LOGIN }, WRONG, /do not allow/],
  ['no credentials for a token', { auth: 'bearer', login: LOGIN }, undefined, /docker login 127/],
  ['a wrong password for a token', { auth: 'bearer', login: LOGIN }, WRONG, /do not allow/],
  ['a wrong identity token', { auth: 'bearer', identityToken: 'other' }, IDENTITY, /do not allow/],
];

for (const [name, options, credential, hint] of REFUSED) {
  test(`a pull with ${name} is a TSB_AUTH without the secret`, async () => {
    await using registry = await TestRegistry.start(options);
    await assert.rejects(pull(registry, credential), (error) => {
      assert(error instanceof UserError);
      assert.equal(error.code, 'TSB_AUTH');
      assert.match(error.message, /answer 401 \(UNAUTHORIZED: said UNAUTHORIZED\)/);
      assert.match(error.hint ?? '', hint);
      const everything = inspect(error, { depth: null, showHidden: true });
      assert.doesNotMatch(everything, /wr0ng|s3cret|id3ntity|Basic |Bearer /);
      return true;
    });
    assert(registry.seen.length <= 4);
  });
}

test('no authorization follows a redirect to another origin', async () => {
  for (const auth of ['basic', 'bearer'] as const) {
    await using registry = await TestRegistry.start({ auth, login: LOGIN, redirectBlobs: true });
    await pull(registry, BASIC);
    const stored = registry.seen.filter(({ server }) => server === 'storage');
    // The config and two distinct layers.
    assert.equal(stored.length, 3);
    assert(stored.every(({ headers }) => headers.authorization === undefined));
  }
});

test('a failing storage is an error without the signature of its URL', async () => {
  await using registry = await TestRegistry.start({ redirectBlobs: true });
  const body = JSON.stringify({ errors: [{ code: 'DENIED', message: 'no\u001b[31m\nsuch' }] });
  registry.inject({ on: /signature/, act: { kind: 'status', status: 403, body } });
  await assert.rejects(pull(registry), (error) => {
    assert(error instanceof UserError);
    assert.match(error.message, /answer 403 \(DENIED: no \[31m such\)$/);
    assert.doesNotMatch(inspect(error, { depth: null }), /signature/);
    return true;
  });
});

test('a 401 of another origin asks for no credentials', async () => {
  await using registry = await TestRegistry.start({ redirectBlobs: true });
  const headers = { 'www-authenticate': 'Basic realm="give"' };
  registry.inject({ on: /signature/, act: { kind: 'status', status: 401, headers } });
  await assert.rejects(pull(registry, BASIC), /answer 401/);
  assert(registry.seen.every((request) => request.headers.authorization === undefined));
});

const REALMS: [name: string, challenge: string, message: RegExp][] = [
  [
    'on plain http',
    'Bearer realm="http://192.0.2.1/token"',
    /sent to http:\/\/192\.0\.2\.1, want https/,
  ],
  ['that is a file', 'Bearer realm="file:///etc/passwd"', /sent to file:\/\/, want https/],
  ['that is missing', 'Bearer service="x"', /names no token server/],
];

for (const [name, challenge, message] of REALMS) {
  test(`a token server ${name} gets no credentials`, async () => {
    await using registry = await TestRegistry.start();
    const headers = { 'www-authenticate': challenge };
    registry.inject({ on: /manifests/, act: { kind: 'status', status: 401, headers } });
    await assert.rejects(pull(registry, BASIC), message);
  });
}

const TOKENS: [name: string, body: string][] = [
  ['nothing', ''],
  ['no token', '{}'],
  ['a token that breaks the header', '{"token":"a\\r\\nx: y"}'],
];

for (const [name, body] of TOKENS) {
  test(`a token server that answers ${name} is an error`, async () => {
    await using registry = await TestRegistry.start({ auth: 'bearer' });
    registry.inject({ on: /token/, act: { kind: 'status', status: 200, body } });
    await assert.rejects(pull(registry), /the answer holds no token/);
  });
}

test('a token server that fails for a while is asked again', async () => {
  await using registry = await TestRegistry.start({ auth: 'bearer' });
  registry.inject({ on: /token/, act: { kind: 'status', status: 503 } });
  const { written } = await pull(registry);
  assert.equal(written.length, 4);
});
