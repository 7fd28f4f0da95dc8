import assert from 'node:assert/strict';
import test from 'node:test';
import { assertSignal, commandArgv, nextWorkdir, withKeys } from './container-settings.js';

const WORKDIRS: readonly (readonly [current: string, given: string, want: string])[] = [
  ['', 'app', '/app'],
  ['/app', 'src', '/app/src'],
  ['/app', '/data/', '/data'],
  ['/app', '../..', '/'],
  ['/app', '.', '/app'],
];
for (const [current, given, want] of WORKDIRS) {
  test(`nextWorkdir() of "${given}" in "${current}"`, () => {
    assert.equal(nextWorkdir(current, given), want);
  });
}

test('withKeys() adds to a set without repeating', () => {
  assert.deepEqual(Object.keys(withKeys({ '/b': {} }, ['/a', '/b'])), ['/a', '/b']);
});

test('assertSignal() knows names and numbers', () => {
  for (const good of ['SIGTERM', 'quit', '9', 'SIGRTMIN+3']) assertSignal(good);
  for (const bad of ['SIGFOO', '0', '65', '']) {
    assert.throws(() => assertSignal(bad), { code: 'TSB_BUILD' });
  }
});

test('commandArgv() uses the SHELL for the shell form only', () => {
  const config = { Shell: ['/bin/bash', '-ec'] };
  const shell = { form: 'shell', command: 'a && b' } as const;
  assert.deepEqual(commandArgv(config, shell), ['/bin/bash', '-ec', 'a && b']);
  assert.deepEqual(commandArgv(undefined, shell), ['/bin/sh', '-c', 'a && b']);
  assert.deepEqual(commandArgv(config, { form: 'exec', argv: ['a', 'b'] }), ['a', 'b']);
});
