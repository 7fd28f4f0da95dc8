import assert from 'node:assert/strict';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { requires } from '../testing/requires.js';
import { MemoryFileSystem } from './filesystems/memory-filesystem.js';
import { mountAndServe } from './mount-and-serve.js';

test('mountAndServe() does not take no directory for the current one', async () => {
  const served = mountAndServe(new MemoryFileSystem(), { mountpoint: '' });
  const message = "Cannot mount on '': found no name, want a directory";
  await assert.rejects(served, { code: 'TSB_USAGE', message });
});

test('mountAndServe() mounts nothing that has been given up before', async (t) => {
  const mountpoint = mkdtempSync(join(tmpdir(), 'fuse-test-'));
  t.after(() => rmdirSync(mountpoint));
  const giveUp = new AbortController();
  const { signal } = giveUp;
  const served = mountAndServe(new MemoryFileSystem(), { mountpoint, signal });
  giveUp.abort(new Error('given up'));
  await assert.rejects(served, { message: 'given up' });
});

for (const [what, mountpoint, found] of [
  ['is missing', '/nowhere/at all', 'there is no such directory'],
  ['is a file', '/etc/passwd', 'it is not a directory'],
] as const) {
  test(`mountAndServe() says what to do about a mount point that ${what}`, async (t) => {
    if (!requires(t, 'root', 'fuse')) return;
    await assert.rejects(mountAndServe(new MemoryFileSystem(), { mountpoint }), {
      code: 'TSB_USAGE',
      message: `Cannot mount on '${mountpoint}': ${found}`,
      hint: `mkdir -p ${mountpoint}`,
    });
  });
}
