import assert from 'node:assert/strict';
import test from 'node:test';
import { formatTimings, interleave, median, type Variant } from './measure.js';

test('median() of odd and even counts', () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 2, 3]), 2.5);
});

test('interleave() runs variants in turn and leaves the warm-up out', async () => {
  const calls: string[] = [];
  const variant = (name: string, timeMs: number): Variant => ({
    name,
    run: () => {
      calls.push(name);
      return Promise.resolve(timeMs);
    },
    reset: () => {
      calls.push(`-${name}`);
      return Promise.resolve();
    },
  });
  const timings = await interleave([variant('a', 10), variant('b', 25)], 1, () => undefined);
  assert.deepEqual(calls, ['a', '-a', 'b', '-b', 'a', '-a', 'b', '-b']);
  assert.deepEqual(timings, [
    { name: 'a', timesMs: [10] },
    { name: 'b', timesMs: [25] },
  ]);
});

test('formatTimings() compares with the first variant, round by round', () => {
  const lines = formatTimings('RUN', [
    { name: 'a', timesMs: [1000, 2000] },
    { name: 'b', timesMs: [2000, 2000] },
  ]);
  assert.deepEqual(lines.slice(2), [
    '| a | 1.50 | 1.00–2.00 | 1.00 |',
    '| b | 2.00 | 2.00–2.00 | 1.50 |',
  ]);
});
