import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { CacheMountStore, type CacheMountLease, type CacheSharing } from './cache-mounts.js';

const KEY = { id: '/root/.npm', base: '' };

function open(t: TestContext): CacheMountStore {
  const dir = mkdtempSync(join(tmpdir(), 'tsbuild-caches-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return new CacheMountStore(dir);
}

function acquire(
  store: CacheMountStore,
  sharing: CacheSharing,
  options: { readonly signal?: AbortSignal; readonly onWait?: () => void } = {},
): Promise<CacheMountLease> {
  return store.acquire({ key: KEY, sharing, fill: () => undefined, ...options });
}

test('acquire() gives the same directory again, whatever is in it', async (t) => {
  const store = open(t);
  const first = await acquire(store, 'shared');
  writeFileSync(join(first.dir, 'file'), '');
  first[Symbol.dispose]();
  using again = await acquire(store, 'private');
  assert.deepEqual([again.dir, readdirSync(again.dir)], [first.dir, ['file']]);
});

/** Sharing of the user that is there → of the next one → whether they get the same directory. */
const PAIRS: readonly (readonly [CacheSharing, CacheSharing, same: boolean | 'waits'])[] = [
  ['shared', 'shared', true],
  ['shared', 'private', false],
  ['shared', 'locked', 'waits'],
  ['private', 'shared', false],
  ['private', 'private', false],
  ['private', 'locked', 'waits'],
  ['locked', 'shared', false],
  ['locked', 'private', false],
  ['locked', 'locked', 'waits'],
];

for (const [first, second, want] of PAIRS) {
  test(`acquire() of a ${second} cache that is in use as ${first}`, async (t) => {
    const store = open(t);
    const user = await acquire(store, first);
    if (want !== 'waits') {
      using next = await acquire(store, second);
      assert.equal(next.dir === user.dir, want);
      user[Symbol.dispose]();
      return;
    }
    let done = false;
    const waiting = acquire(store, second).finally(() => (done = true));
    await sleep(120);
    assert.equal(done, false);
    user[Symbol.dispose]();
    using next = await waiting;
    assert.equal(next.dir, user.dir);
  });
}

test('acquire() tells whom it waits for, and stops when it is interrupted', async (t) => {
  const store = open(t);
  using _user = await acquire(store, 'locked');
  const abort = new AbortController();
  const onWait = (): void => abort.abort(new Error('enough'));
  await assert.rejects(acquire(store, 'locked', { signal: abort.signal, onWait }), /enough/);
});

test('acquire() fills a new cache once, and not at all if that fails', async (t) => {
  const store = open(t);
  const fail = (dir: string): void => {
    writeFileSync(join(dir, 'half'), '');
    throw new Error('no space');
  };
  const options = { key: KEY, sharing: 'shared' } as const;
  await assert.rejects(store.acquire({ ...options, fill: fail }), /no space/);
  assert.equal(store.has(KEY), false);
  let count = 0;
  const fill = async (dir: string): Promise<void> => {
    await sleep(20);
    writeFileSync(join(dir, `file${++count}`), '');
  };
  const leases = await Promise.all([1, 2, 3].map(() => store.acquire({ ...options, fill })));
  for (const lease of leases) {
    assert.deepEqual(readdirSync(lease.dir), ['file1']);
    lease[Symbol.dispose]();
  }
});

test('caches of another id or another beginning are others', async (t) => {
  const store = open(t);
  const keys = [KEY, { id: '/other', base: '' }, { ...KEY, base: 'x' }];
  for (const key of keys) {
    const lease = await store.acquire({ key, sharing: 'shared', fill: () => undefined });
    writeFileSync(join(lease.dir, 'file'), '');
    lease[Symbol.dispose]();
  }
  const listed = store.list();
  assert.deepEqual(
    listed.map(({ key }) => key).sort((a, b) => (a.id + a.base < b.id + b.base ? -1 : 1)),
    [keys[1], KEY, keys[2]],
  );
  assert.equal(new Set(listed.flatMap(({ dirs }) => dirs)).size, 3);
});

test('remove() removes all copies; what died while it was made goes with the next one', async (t) => {
  const store = open(t);
  const one = await acquire(store, 'private');
  const two = await acquire(store, 'private');
  assert.equal(store.list()[0]?.dirs.length, 2);
  one[Symbol.dispose]();
  two[Symbol.dispose]();
  store.remove(KEY);
  assert.deepEqual([store.has(KEY), existsSync(one.dir), store.list()], [false, false, []]);
  const leftover = join(one.dir, '../making-0123');
  mkdirSync(leftover, { recursive: true });
  using _again = await acquire(store, 'shared');
  assert.equal(existsSync(leftover), false);
});
