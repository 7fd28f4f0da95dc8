import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { inspect } from 'node:util';
import { UserError } from '../util/errors.js';
import type { Credential } from './credentials.js';
import { dockerConfigFile, dockerCredentials } from './credentials.js';

const base64 = (text: string): string => Buffer.from(text).toString('base64');

async function find(config: unknown, domain: string): Promise<Credential | undefined> {
  const dir = mkdtempSync(join(tmpdir(), 'credentials-'));
  try {
    const file = join(dir, 'config.json');
    writeFileSync(file, typeof config === 'string' ? config : JSON.stringify(config));
    return await dockerCredentials(file)(domain);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

const ME: Credential = { kind: 'basic', username: 'me', password: 'pa:ss' };

const CASES: [name: string, auths: object, domain: string, want: Credential | undefined][] = [
  ['base64', { 'ghcr.io': { auth: base64('me:pa:ss') } }, 'ghcr.io', ME],
  ['base64 that ends in NULs', { 'ghcr.io': { auth: base64('me:pa:ss\0\0') } }, 'ghcr.io', ME],
  ['two fields', { 'ghcr.io': { username: 'me', password: 'pa:ss' } }, 'ghcr.io', ME],
  ['docker.io', { 'https://index.docker.io/v1/': { auth: base64('me:pa:ss') } }, 'docker.io', ME],
  ['a key that is a URL', { 'https://ghcr.io/v2/': { auth: base64('me:pa:ss') } }, 'ghcr.io', ME],
  ['a port', { 'localhost:5000': { auth: base64('me:pa:ss') } }, 'localhost:5000', ME],
  ['another port', { 'localhost:5000': { auth: base64('me:pa:ss') } }, 'localhost:5001', undefined],
  ['a longer host', { 'ghcr.io': { auth: base64('me:pa:ss') } }, 'ghcr.io.example.com', undefined],
  ['an empty entry', { 'ghcr.io': {} }, 'ghcr.io', undefined],
  ['no colon', { 'ghcr.io': { auth: base64('me') } }, 'ghcr.io', undefined],
  [
    'an identity token',
    { 'ghcr.io': { auth: base64('00000000-0000:'), identitytoken: 'tok' } },
    'ghcr.io',
    { kind: 'identity', token: 'tok' },
  ],
  [
    'a registry token',
    { 'ghcr.io': { registrytoken: 'tok' } },
    'ghcr.io',
    { kind: 'bearer', token: 'tok' },
  ],
];

for (const [name, auths, domain, want] of CASES) {
  test(`dockerCredentials() reads ${name}`, async () => {
    assert.deepEqual(await find({ auths }, domain), want);
  });
}

test('dockerCredentials() has none without a file', async () => {
  assert.equal(await dockerCredentials(undefined)('ghcr.io'), undefined);
  assert.equal(await dockerCredentials('/nonexistent/config.json')('ghcr.io'), undefined);
});

const BROKEN: [name: string, config: unknown, message: RegExp][] = [
  ['half a file', '{"auths":{"ghcr.io":{"auth":"c2VjcmV0', /not well-formed JSON/],
  ['a secret as a document', 'c2VjcmV0', /not well-formed JSON/],
  [
    'a list',
    { auths: { 'ghcr.io': { auth: ['c2VjcmV0'] } } },
    /auths\.ghcr\.io\.auth has the wrong type/,
  ],
  ['a helper that is a path', { credsStore: '../../bin/x' }, /its name is not well-formed/],
  ['a helper that is not there', { credsStore: 'tsbuild-none' }, /it is not installed/],
];

for (const [name, config, message] of BROKEN) {
  test(`dockerCredentials() refuses ${name}, without a secret in the message`, async () => {
    await assert.rejects(find(config, 'ghcr.io'), (error) => {
      assert(error instanceof UserError);
      assert.equal(error.code, 'TSB_AUTH');
      assert.match(error.message, message);
      assert.doesNotMatch(inspect(error), /c2VjcmV0/);
      return true;
    });
  });
}

const HELPER = `#!/bin/sh
read key
case "$1 $key" in
  "get ghcr.io") echo '{"ServerURL":"x","Username":"me","Secret":"pa:ss"}' ;;
  "get https://index.docker.io/v1/") echo '{"Username":"<token>","Secret":"tok"}' ;;
  "get broken.io") echo 'pa:ss' ;;
  "get failing.io") echo 'pa:ss' >&2; exit 3 ;;
  *) echo 'credentials not found in native keychain'; exit 1 ;;
esac
`;

const HELPED: [domain: string, want: Credential | undefined | RegExp][] = [
  ['ghcr.io', ME],
  ['docker.io', { kind: 'identity', token: 'tok' }],
  ['other.io', undefined],
  ['filed.io', ME],
  ['broken.io', /its answer is not what the protocol says/],
  ['failing.io', /exit code 3/],
];

for (const [domain, want] of HELPED) {
  test(`dockerCredentials() asks the helper for ${domain}`, async () => {
    const dir = mkdtempSync(join(tmpdir(), 'helper-'));
    const path = process.env['PATH'];
    try {
      writeFileSync(join(dir, 'docker-credential-test'), HELPER);
      chmodSync(join(dir, 'docker-credential-test'), 0o755);
      process.env['PATH'] = `${dir}:${path ?? ''}`;
      const auths = { 'filed.io': { auth: base64('me:pa:ss') } };
      const found = find({ auths, credHelpers: { 'ghcr.io': 'test' }, credsStore: 'test' }, domain);
      if (want instanceof RegExp) {
        await assert.rejects(found, (error) => {
          assert.match(String(error), want);
          assert.doesNotMatch(inspect(error, { depth: null }), /pa:ss/);
          return true;
        });
      } else {
        assert.deepEqual(await found, want);
      }
    } finally {
      process.env['PATH'] = path;
      rmSync(dir, { recursive: true });
    }
  });
}

test('dockerConfigFile() follows the environment', () => {
  assert.equal(dockerConfigFile({ DOCKER_CONFIG: '/d', HOME: '/h' }), '/d/config.json');
  assert.equal(dockerConfigFile({ DOCKER_CONFIG: '', HOME: '/h' }), '/h/.docker/config.json');
  assert.equal(dockerConfigFile({}), undefined);
});
