import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { Progress } from '../build/progress.js';
import type { FetchDeps } from '../build/sources/fetch-deps.js';
import { openLayers } from '../build/sources/fetched-layer.js';
import type { LayerId } from '../layer/types.js';
import { ImageTree } from '../overlay/image-tree.js';
import { HttpClient } from '../remote/http-fetch.js';
import { REMOTE_LIMITS } from '../remote/limits.js';
import { Store } from '../store/store.js';
import { listTree } from './builds.js';

/** What fetching needs, with a store of its own; everything is removed when the test has ended. */
export async function testFetchDeps(
  t: TestContext,
  changes: Partial<FetchDeps> & { readonly secrets?: Readonly<Record<string, string>> } = {},
): Promise<FetchDeps> {
  const { secrets = {}, ...rest } = changes;
  const dir = mkdtempSync(path.join(tmpdir(), 'tsbuild-fetch-'));
  const store = await Store.open(path.join(dir, 'store'));
  const signal = new AbortController().signal;
  const limits = { ...REMOTE_LIMITS, backoffFirstMs: 1, ...rest.limits };
  const http = new HttpClient({ limits, userAgent: 'tsbuild/test' });
  t.after(async () => {
    await http[Symbol.asyncDispose]();
    await store[Symbol.asyncDispose]();
    rmSync(dir, { recursive: true, force: true });
  });
  return {
    store,
    records: store.cacheRecords,
    progress: new Progress(() => undefined, signal),
    signal,
    noCache: false,
    nowMs: () => 1_700_000_000_000,
    env: { PATH: process.env['PATH'] },
    http: () => Promise.resolve(http),
    findSecret: (id) =>
      Promise.resolve(secrets[id] === undefined ? undefined : Buffer.from(secrets[id])),
    ssh: () => Promise.resolve(undefined),
    ...rest,
    limits,
  };
}

/** The files of a layer, as {@link listTree}, with the seconds of their mtime. */
export function layerFiles({ store }: FetchDeps, layer: LayerId): string[] {
  using overlay = openLayers(store, [layer]);
  const tree = new ImageTree(overlay);
  return listTree(tree, tree.root, '');
}
