import assert from 'node:assert/strict';
import test from 'node:test';
import { explainMiss } from './explain.js';
import type { KeyParts, KeyValue } from './key.js';
import { cacheKeyOf, CanonicalHash, digestParts, sortedPairs } from './key.js';

const DIFFERENT: readonly (readonly [name: string, a: KeyValue, b: KeyValue])[] = [
  ['moved boundary', ['ab', 'c'], ['a', 'bc']],
  ['nesting', [['a'], 'b'], ['a', ['b']]],
  ['undefined and empty', undefined, ''],
  ['empty list and empty text', [], ''],
  ['number and its text', 1, '1'],
  ['booleans', true, false],
  ['length digits inside text', 's1:a', ['s1:a']],
];
for (const [name, a, b] of DIFFERENT) {
  test(`CanonicalHash tells apart: ${name}`, () => {
    assert.notEqual(new CanonicalHash().add(a).hex(), new CanonicalHash().add(b).hex());
  });
}

test('cacheKeyOf() depends on names, values and order', () => {
  const parts: KeyParts = [
    ['parent', 'p'],
    ['instruction', ['RUN', 'true']],
  ];
  const key = cacheKeyOf(parts);
  assert.match(key, /^[0-9a-f]{64}$/);
  assert.equal(cacheKeyOf([...parts]), key);
  assert.notEqual(cacheKeyOf([...parts].reverse()), key);
  assert.notEqual(cacheKeyOf([['parent', 'q'], ...parts.slice(1)]), key);
});

test('sortedPairs() does not depend on the order of assignment', () => {
  assert.deepEqual(sortedPairs({ B: '2', A: '1' }), sortedPairs({ A: '1', B: '2' }));
});

test('explainMiss() names the first part that changed', () => {
  const before = digestParts([
    ['parent', 'p'],
    ['env', ['A=1']],
    ['content', 'c'],
  ]);
  const now = digestParts([
    ['parent', 'p'],
    ['env', ['A=2']],
    ['content', 'd'],
  ]);
  assert.equal(explainMiss(now, before), 'the environment changed');
  assert.equal(explainMiss(now, undefined), 'the step was not built before');
  assert.equal(explainMiss(now, now), 'the layer is no longer in the store');
});
