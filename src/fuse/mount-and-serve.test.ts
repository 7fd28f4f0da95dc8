import assert from 'node:assert/strict';
import test from 'node:test';
import { MemoryFileSystem } from './filesystems/memory-filesystem.js';
import { mountAndServe } from './mount-and-serve.js';

test('mountAndServe() does not take no directory for the current one', async () => {
  const served = mountAndServe(new MemoryFileSystem(), { mountpoint: '' });
  await assert.rejects(served, { code: 'TSB_SANDBOX', message: "Cannot mount on ''" });
});
