import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { HostEntry } from '../../src/build/run-settings.js';
import type { SecretSource } from '../../src/build/secrets.js';
import type { Ulimit } from '../../src/exec/run-spec.js';
import { parseHost, parseSecret, parseSsh, parseUlimit, sandboxOptions } from './sandbox.js';

const dir = mkdtempSync(join(tmpdir(), 'tsbuild-sandbox-'));
after(() => rmSync(dir, { recursive: true, force: true }));
const FILE = join(dir, 'file');
writeFileSync(FILE, 'x');
const ENV = { TOKEN: 'from the environment', SSH_AUTH_SOCK: FILE };

const SECRETS: readonly (readonly [text: string, want: SecretSource])[] = [
  [`id=a,src=${FILE}`, { id: 'a', kind: 'file', path: FILE }],
  [`ID=a,Source=${FILE},type=file`, { id: 'a', kind: 'file', path: FILE }],
  [`id=${FILE}`, { id: FILE, kind: 'file', path: FILE }],
  ['id=TOKEN', { id: 'TOKEN', kind: 'value', value: 'from the environment' }],
  ['id=a,env=TOKEN', { id: 'a', kind: 'value', value: 'from the environment' }],
  ['id=a,type=env,src=TOKEN', { id: 'a', kind: 'value', value: 'from the environment' }],
  ['type=env,id=TOKEN', { id: 'TOKEN', kind: 'value', value: 'from the environment' }],
];
for (const [text, want] of SECRETS) {
  test(`parseSecret() of ${text.replace(FILE, 'FILE')}`, () => {
    assert.deepEqual(parseSecret(text, ENV), want);
  });
}

for (const [text, message] of [
  ['a', /found|want id=NAME/],
  ['src=x', /want an id/],
  ['id=a,scr=x', /want id=NAME/],
  ['id=a,type=x', /want type=file or type=env/],
  ['id=a,src=x,env=y', /want either src or env/],
  ['id=a,env=ABSENT', /variable "ABSENT" is not set/],
  ['id=a,src=/absent', /Cannot use secret "a": ENOENT/],
] as const) {
  test(`parseSecret() refuses ${text}`, () => {
    assert.throws(() => parseSecret(text, ENV), message);
  });
}

test('parseSsh() takes the agent of the environment, sockets and keys', () => {
  assert.deepEqual(parseSsh('default', ENV), { id: 'default', paths: [FILE] });
  assert.deepEqual(parseSsh('work', ENV), { id: 'work', paths: [FILE] });
  assert.deepEqual(parseSsh(`k=${FILE},${FILE}`, {}), { id: 'k', paths: [FILE, FILE] });
  assert.throws(() => parseSsh('default', {}), { code: 'TSB_USAGE', hint: /ssh-agent/ });
  assert.throws(() => parseSsh('default=/absent', {}), { code: 'TSB_CONTEXT' });
});

const HOSTS: readonly (readonly [text: string, want: HostEntry])[] = [
  ['db:10.0.0.5', { name: 'db', address: '10.0.0.5' }],
  ['db=10.0.0.5', { name: 'db', address: '10.0.0.5' }],
  ['my.db:::1', { name: 'my.db', address: '::1' }],
  ['db=[2001:db8::1]', { name: 'db', address: '2001:db8::1' }],
  ['me:host-gateway', { name: 'me', address: '127.0.0.1' }],
];
for (const [text, want] of HOSTS) {
  test(`parseHost() of ${text}`, () => assert.deepEqual(parseHost(text), want));
}
for (const text of ['db', 'db:', 'db:host', 'a b:1.2.3.4', ':1.2.3.4', 'db:1.2.3.4\n5']) {
  test(`parseHost() refuses ${JSON.stringify(text)}`, () => {
    assert.throws(() => parseHost(text), { code: 'TSB_USAGE' });
  });
}

const ULIMITS: readonly (readonly [text: string, want: Ulimit])[] = [
  ['nofile=64', { name: 'nofile', soft: 64, hard: 64 }],
  ['nofile=64:128', { name: 'nofile', soft: 64, hard: 128 }],
  ['core=0:-1', { name: 'core', soft: 0, hard: undefined }],
  ['memlock=unlimited', { name: 'memlock', soft: undefined, hard: undefined }],
];
for (const [text, want] of ULIMITS) {
  test(`parseUlimit() of ${text}`, () => assert.deepEqual(parseUlimit(text), want));
}
for (const [text, hint] of [
  ['nofiles=1', /^Did you mean nofile\?$/],
  ['toString=1', /^Types are cpu/],
  ['nofile', /^/],
  ['nofile=2:1', undefined],
  ['nofile=-1:5', undefined],
] as const) {
  test(`parseUlimit() refuses ${text}`, () => {
    assert.throws(() => parseUlimit(text), { code: 'TSB_USAGE', ...(hint && { hint }) });
  });
}

test('sandboxOptions() parses sizes, entitlements and directories', () => {
  const none = { secret: undefined, ssh: undefined, 'add-host': undefined, ulimit: undefined };
  const given = {
    ...none,
    allow: ['security.insecure'],
    'shm-size': '1m',
    'cache-mounts-import': ['/in', 'type=oci,src=/other'],
    'cache-mounts-export': 'type=oci,dest=/out',
    'allow-secret-in-layer': undefined,
  };
  const { runs } = sandboxOptions(given, {});
  assert.deepEqual(runs?.allow, ['security.insecure']);
  assert.equal(runs.shmSizeBytes, 1048576);
  assert.deepEqual(runs.cacheMounts, { importFrom: ['/in', '/other'], exportTo: '/out' });
  for (const wrong of [
    { allow: ['security.insecur'] },
    { 'shm-size': '0' },
    { 'cache-mounts-export': 'type=registry,dest=x' },
    { 'cache-mounts-export': 'dest=/x' },
    { 'cache-mounts-import': [''] },
  ]) {
    assert.throws(() => sandboxOptions({ ...given, ...wrong }, {}), { code: 'TSB_USAGE' });
  }
});
