import assert from 'node:assert/strict';
import test from 'node:test';
import { builtinWarnings } from './lint-build.js';

test("builtinWarnings() tells which of BuildKit's arguments have no effect", () => {
  const messages = (buildArgs: Record<string, string>): string[] =>
    builtinWarnings(buildArgs).map(({ message }) => message);
  assert.deepEqual(messages({ BUILDKIT_SYNTAX: 'dockerfile.v0', OTHER: 'x' }), []);
  assert.deepEqual(messages({ BUILDKIT_SYNTAX: '', BUILDKIT_SANDBOX_HOSTNAME: 'x' }), []);
  assert.deepEqual(messages({ BUILDKIT_SYNTAX: 'acme/lang', BUILDKIT_INLINE_CACHE: '1' }), [
    'Build argument "BUILDKIT_INLINE_CACHE" has no effect here',
    '--build-arg BUILDKIT_SYNTAX names "acme/lang", which tsbuild does not run',
  ]);
});
