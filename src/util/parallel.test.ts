import assert from 'node:assert/strict';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { forEachParallel } from './parallel.js';

test('forEachParallel() runs at most `limit` at a time, and all of them', async () => {
  let running = 0;
  let most = 0;
  const done: number[] = [];
  await forEachParallel([1, 2, 3, 4, 5], { limit: 2 }, async (item) => {
    most = Math.max(most, ++running);
    await sleep(1);
    running--;
    done.push(item);
  });
  assert.equal(most, 2);
  assert.deepEqual(done.sort(), [1, 2, 3, 4, 5]);
});

test('forEachParallel() throws the first failure, after the others have ended', async () => {
  const ended: number[] = [];
  const work = async (item: number, signal: AbortSignal): Promise<void> => {
    if (item === 2) throw new Error('two');
    await sleep(10_000, undefined, { signal }).catch(() => ended.push(item));
  };
  await assert.rejects(forEachParallel([1, 2, 3], { limit: 2 }, work), /two/);
  assert.deepEqual(ended, [1]);
});

test('forEachParallel() stops when the signal is aborted', async () => {
  const controller = new AbortController();
  const work = async (): Promise<void> => {
    controller.abort(new Error('stop'));
    await Promise.resolve();
  };
  const run = forEachParallel([1, 2, 3], { limit: 1, signal: controller.signal }, work);
  await assert.rejects(run, /stop/);
});
