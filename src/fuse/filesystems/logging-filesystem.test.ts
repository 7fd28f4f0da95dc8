import assert from 'node:assert/strict';
import test from 'node:test';

import { FsError } from '../../sys/errno.js';
import { byteName, byteNameOf } from '../../util/byte-name.js';
import type { Caller, FileSystem } from '../filesystem.js';
import { LoggingFileSystem } from './logging-filesystem.js';
import { MemoryFileSystem } from './memory-filesystem.js';
import { StatsFileSystem, formatStats } from './stats-filesystem.js';

const CALLER: Caller = { uid: 1, gid: 2, pid: 3 };
const MAKE = { parent: 1, name: byteNameOf('a'), mode: 0o100644, rdev: 0 };

interface Logged {
  readonly message: string;
  readonly [key: string]: unknown;
}

/** The records of what `use` does, without durations. */
function logOf(inner: FileSystem, use: (fs: Required<FileSystem>) => unknown): Logged[] {
  const records: Logged[] = [];
  const trace = (record: object, message: string): void => {
    const { durationMicros, ...rest } = record as { durationMicros?: number };
    assert.equal(typeof durationMicros, message === 'result' ? 'number' : 'undefined');
    records.push({ message, ...rest });
  };
  use(new LoggingFileSystem(inner, { trace }) as unknown as Required<FileSystem>);
  return records;
}

test('LoggingFileSystem logs a call and its result', () => {
  const records = logOf(new MemoryFileSystem(), (fs) => fs.create(MAKE, 0o102, CALLER));
  const operation = 'create';
  const args = { parent: 1, name: 'a', mode: 0o100644, rdev: 0, flags: 0o102, caller: CALLER };
  const result = { nodeid: 2, fh: 0, openFlags: 0 };
  const attr = { mode: '0100644', size: 0, nlink: 1, uid: 1, gid: 2 };
  assert.deepEqual(records, [
    { message: 'call', id: 1, operation, arguments: args },
    { message: 'result', id: 1, operation, errno: 0, result: { ...result, ...attr } },
  ]);
});

const RESULTS: readonly [string, (fs: Required<FileSystem>) => unknown, unknown, unknown][] = [
  [
    'bytes as their number',
    (fs) =>
      fs.write(
        { nodeid: 2, fh: 0, offset: 7, data: Buffer.from('text'), killSuidgid: false },
        CALLER,
      ),
    { nodeid: 2, fh: 0, offset: 7, dataBytes: 4, killSuidgid: false, caller: CALLER },
    { errno: 0, result: 4 },
  ],
  [
    'a missing name, escaped',
    (fs) => fs.lookup(1, byteName(Buffer.from('\n\xff', 'latin1')), CALLER),
    { parent: 1, name: '\\x0a\\xff', caller: CALLER },
    { errno: 0, result: { found: false } },
  ],
  [
    'the number of listed entries',
    (fs) => fs.readdir(1, 0, 0, { plus: false, add: () => true }),
    { nodeid: 1, fh: 0, offset: 0 },
    { errno: 0, result: { entries: 3 } },
  ],
  [
    'a target',
    (fs) => fs.symlink(1, byteNameOf('l'), Buffer.from('t\x1b'), CALLER),
    { parent: 1, name: 'l', target: 't\\x1b', caller: CALLER },
    {
      errno: 0,
      result: { nodeid: 3, mode: '0120777', size: 2, nlink: 1, uid: 1, gid: 2 },
    },
  ],
];

for (const [name, call, args, outcome] of RESULTS) {
  test(`LoggingFileSystem logs ${name}`, () => {
    const inner = new MemoryFileSystem();
    inner.create(MAKE, 0, CALLER);
    const [before, after] = logOf(inner, call);
    assert.deepEqual(before?.['arguments'], args);
    const { message, id, operation, ...rest } = after ?? { message: '' };
    assert.deepEqual([message, id, operation], ['result', 1, before?.['operation']]);
    assert.deepEqual(rest, outcome);
  });
}

test('LoggingFileSystem logs failures, and lets them through', () => {
  const records = logOf(new MemoryFileSystem(), (fs) => {
    assert.throws(() => fs.rmdir(1, byteNameOf('x'), CALLER), { code: 'ENOENT' });
  });
  const failed = records[1];
  assert.deepEqual([failed?.['errno'], failed?.['code']], [-2, 'ENOENT']);
  const broken = new MemoryFileSystem();
  broken.getattr = () => {
    throw new TypeError('broken');
  };
  const [, second] = logOf(broken, (fs) => {
    assert.throws(() => fs.getattr(1, CALLER), TypeError);
  });
  assert.deepEqual([second?.['errno'], second?.['code']], [-5, 'EIO']);
});

test('LoggingFileSystem has the operations of what it logs, no more', () => {
  const inner = new MemoryFileSystem();
  const few: FileSystem = {
    lookup: (parent, name) => inner.lookup(parent, name),
    forget: (nodeid, nlookup) => inner.forget(nodeid, nlookup),
    getattr: (nodeid) => inner.getattr(nodeid),
  };
  const logging = new LoggingFileSystem(few, { trace: () => undefined });
  assert.deepEqual(Object.keys(logging).sort(), ['forget', 'getattr', 'lookup']);
});

test('decorators wait for promises', async () => {
  const inner = new MemoryFileSystem() as FileSystem;
  let resolve: (value: undefined) => void = () => undefined;
  inner.lookup = () => new Promise((settle) => (resolve = settle));
  inner.statfs = () => Promise.reject(new FsError('EIO', 'statfs'));
  const messages: string[] = [];
  const stats = new StatsFileSystem(inner);
  const logging = new LoggingFileSystem(stats, { trace: (_, message) => messages.push(message) });
  const found = logging.lookup(1, byteNameOf('a'), CALLER);
  await new Promise(setImmediate);
  assert.deepEqual([messages, stats.snapshot()], [['call'], {}]);
  resolve(undefined);
  assert.equal(await found, undefined);
  assert.deepEqual(messages, ['call', 'result']);
  assert.equal(stats.snapshot().lookup?.count, 1);
  await assert.rejects(Promise.resolve((stats as FileSystem).statfs?.(1)), { code: 'EIO' });
  assert.equal(stats.snapshot().statfs?.failures, 1);
});

test('StatsFileSystem counts calls, failures and time', () => {
  const stats = new StatsFileSystem(new MemoryFileSystem());
  for (let i = 0; i < 100; i++) void stats.lookup(1, byteNameOf('a'), CALLER);
  assert.throws(() => stats.getattr(9, CALLER), { code: 'ESTALE' });
  const { lookup, getattr, ...rest } = stats.snapshot();
  assert.ok(lookup !== undefined && getattr !== undefined);
  assert.deepEqual(rest, {});
  assert.deepEqual([lookup.count, lookup.failures], [100, 0]);
  assert.deepEqual([getattr.count, getattr.failures], [1, 1]);
  assert.equal(
    lookup.buckets.reduce((sum, count) => sum + count, 0),
    100,
  );
  assert.ok(lookup.p50Micros <= lookup.p99Micros);
  assert.ok(lookup.maxMicros <= lookup.totalMicros);
  assert.match(formatStats(stats.snapshot()), /^operation +count .*\n(.*\n)*lookup +100 +0 /);
});
