import assert from 'node:assert/strict';
import test from 'node:test';
import type { ArgSources } from './scope.js';
import {
  declareArg,
  EMPTY_SCOPE,
  formatEnv,
  inheritScope,
  keyedEnvironment,
  lookUp,
  parseEnv,
  proxyEnvironment,
  setEnv,
  visibleArgs,
  withoutCredentials,
} from './scope.js';

const SOURCES: ArgSources = {
  buildArgs: { GIVEN: 'cli', BOTH: 'cli' },
  globalArgs: { GLOBAL: 'global' },
  predefined: { TARGETARCH: 'amd64' },
};
const declare = (name: string, fallback?: string) =>
  declareArg(EMPTY_SCOPE, { name, fallback, sources: SOURCES });

const ARGS: readonly (readonly [string, string | undefined, string | undefined])[] = [
  ['GIVEN', undefined, 'cli'],
  ['BOTH', 'default', 'cli'],
  ['OTHER', 'default', 'default'],
  ['GLOBAL', undefined, 'global'],
  ['GLOBAL', 'own', 'own'],
  ['TARGETARCH', undefined, 'amd64'],
  ['UNSET', undefined, undefined],
];
for (const [name, fallback, want] of ARGS) {
  test(`ARG ${name}${fallback === undefined ? '' : `=${fallback}`}`, () => {
    assert.equal(lookUp(declare(name, fallback), name), want);
  });
}

test('an argument that is not declared is not in scope', () => {
  assert.equal(lookUp(EMPTY_SCOPE, 'GIVEN'), undefined);
  assert.equal(lookUp(EMPTY_SCOPE, 'constructor'), undefined);
});

test('of ENV and ARG of one name the later one counts', () => {
  const before = declareArg(setEnv(EMPTY_SCOPE, { BOTH: 'env' }), {
    name: 'BOTH',
    fallback: undefined,
    sources: SOURCES,
  });
  const after = setEnv(declare('BOTH'), { BOTH: 'env' });
  const again = setEnv(before, { BOTH: 'env2' });
  for (const [scope, want] of [
    [before, 'cli'],
    [after, 'env'],
    [again, 'env2'],
    [inheritScope(before), 'env'],
  ] as const) {
    assert.equal(lookUp(scope, 'BOTH'), want);
    assert.deepEqual(visibleArgs(scope), { BOTH: want });
    assert.deepEqual(keyedEnvironment(scope), { BOTH: want });
  }
  assert.deepEqual(before.env, { BOTH: 'env' });
});

test('an ARG without a value leaves the ENV of its name', () => {
  const scope = declareArg(setEnv(EMPTY_SCOPE, { UNSET: 'env' }), {
    name: 'UNSET',
    fallback: undefined,
    sources: SOURCES,
  });
  assert.equal(lookUp(scope, 'UNSET'), 'env');
});

test('proxy arguments are passed on, others are not', () => {
  const given = { http_proxy: 'http://p', NO_PROXY: '*', SECRET: 's' };
  assert.deepEqual(proxyEnvironment(given), { NO_PROXY: '*', http_proxy: 'http://p' });
});

test('parseEnv() and formatEnv() are inverse, and keep = in values', () => {
  const entries = ['PATH=/bin', 'OPTS=a=b', 'EMPTY='];
  assert.deepEqual(formatEnv(parseEnv(entries)), entries);
});

test('withoutCredentials() leaves out those of proxies, but what ENV says', () => {
  const proxies = {
    http_proxy: 'http://user:pass@proxy:3128/',
    HTTPS_PROXY: 'user:pass@proxy',
    NO_PROXY: 'localhost',
    ALL_PROXY: 'http://own:pass@proxy',
    OTHER: 'http://user:pass@host',
  };
  const scope = setEnv(EMPTY_SCOPE, { ALL_PROXY: proxies.ALL_PROXY });
  assert.deepEqual(withoutCredentials(scope, proxies), {
    ...proxies,
    http_proxy: 'http://***@proxy:3128/',
    HTTPS_PROXY: '***@proxy',
  });
});
