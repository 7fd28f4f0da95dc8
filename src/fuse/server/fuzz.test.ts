import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import test from 'node:test';

import { FsError } from '../../sys/errno.js';
import type { FuzzReport } from '../../testing/fuse-fuzz.js';
import { fuzz, fuzzAsync } from '../../testing/fuse-fuzz.js';
import { seedOf } from '../../testing/random.js';
import type { FileSystem } from '../filesystem.js';
import { MemoryFileSystem } from '../filesystems/memory-filesystem.js';

/** `FUZZ_REQUESTS=1000000 FUZZ_SEED=1` makes a run longer, or repeats one. */
const REQUESTS = Number(process.env['FUZZ_REQUESTS'] ?? 10_000);
/** What the file system can do: each of it must have been reached. */
const SUPPORTED = [
  ...['LOOKUP', 'GETATTR', 'SETATTR', 'READLINK', 'SYMLINK', 'MKNOD', 'MKDIR', 'UNLINK', 'RMDIR'],
  ...['RENAME', 'RENAME2', 'LINK', 'CREATE', 'TMPFILE', 'READ', 'WRITE', 'STATFS', 'FALLOCATE'],
  ...[
    'READDIR',
    'READDIRPLUS',
    'SETXATTR',
    'GETXATTR',
    'LISTXATTR',
    'REMOVEXATTR',
    'INIT',
    'LSEEK',
  ],
];

function run(t: TestContext, seed: number): FuzzReport {
  return judge(t, seed, fuzz(new MemoryFileSystem(), { seed, requests: REQUESTS }));
}

function judge(t: TestContext, seed: number, report: FuzzReport): FuzzReport {
  t.diagnostic(`FUZZ_SEED=${seed}`);
  t.diagnostic(`${report.successes} of ${report.requests} succeeded`);
  const unmeant = report.logged.filter((error) => !(error instanceof FsError));
  assert.deepEqual(unmeant.slice(0, 3), [], `FUZZ_SEED=${seed}`);
  return report;
}

test('random requests are answered as the protocol says', (t) => {
  run(t, seedOf('FUZZ_SEED'));
});

/** The same file system, all of whose handlers return promises. */
function promising(fileSystem: FileSystem): FileSystem {
  return new Proxy(fileSystem, {
    get(target, name) {
      const handler: unknown = Reflect.get(target, name);
      if (typeof handler !== 'function') return handler;
      const call = handler.bind(target) as (...args: unknown[]) => unknown;
      if (name === 'forget') return call;
      return (...args: unknown[]) => Promise.resolve().then(() => call(...args));
    },
  });
}

test('random requests to handlers that return promises are answered so, too', async (t) => {
  const seed = seedOf('FUZZ_SEED');
  const fileSystem = promising(new MemoryFileSystem());
  judge(t, seed, await fuzzAsync(fileSystem, { seed, requests: REQUESTS / 2 }));
});

test('what lies behind a request in the buffer does not matter', (t) => {
  const seed = seedOf('FUZZ_SEED');
  const [zeros, ones] = [0, 0xff].map((fill) => {
    const report = fuzz(new MemoryFileSystem(), { seed, requests: REQUESTS / 2, fill });
    return judge(t, seed, report).trace;
  });
  assert.equal(zeros, ones, `FUZZ_SEED=${seed}`);
});

test('random requests reach every operation', (t) => {
  const { byOpcode } = run(t, 1);
  assert.deepEqual(
    SUPPORTED.filter((name) => !byOpcode.has(`FUSE_${name}`)),
    [],
  );
});
