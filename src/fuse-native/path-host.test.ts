import assert from 'node:assert/strict';
import test from 'node:test';

import { MemoryFileSystem } from '../fuse/filesystems/memory-filesystem.js';
import type { FileSystem } from '../fuse/filesystem.js';
import { FsError } from '../sys/errno.js';
import { S_IFREG } from '../sys/constants.js';
import { UserError } from '../util/errors.js';
import { attributeOperations } from './path-attributes.js';
import { fileOperations } from './path-files.js';
import { PathHost } from './path-host.js';
import { nameOperations } from './path-names.js';
import {
  loadFuseNative,
  mountText,
  type Answer,
  type Done,
  type PathOperations,
} from './package.js';

/** The operations of a file system by path, as promises. */
class Paths {
  readonly fileSystem: MemoryFileSystem;
  readonly host: PathHost;
  readonly #operations: PathOperations;

  constructor(changes: Partial<FileSystem> = {}) {
    this.fileSystem = Object.assign(new MemoryFileSystem(), changes);
    const logger = { error: () => assert.fail('nothing is logged') };
    this.host = new PathHost(this.fileSystem, logger);
    const { host } = this;
    this.#operations = {
      ...attributeOperations(host),
      ...nameOperations(host),
      ...fileOperations(host),
    };
  }

  /** Calls an operation; what it was answered. */
  call<T, U>(
    action: (ops: Required<PathOperations>, done: Done<T, U>) => void,
  ): Promise<Answer<T, U>> {
    return new Promise((resolve) =>
      action(this.#operations as Required<PathOperations>, (...answer) => resolve(answer)),
    );
  }

  async create(path: string): Promise<number> {
    const [result, fd] = await this.call<number, never>((ops, done) =>
      ops.create(path, S_IFREG | 0o644, done),
    );
    assert.equal(result, 0);
    return fd ?? 0;
  }

  get nodes(): number {
    return this.fileSystem.statfs().files;
  }
}

const failsWith = (code: string) => (): never => {
  throw new FsError(code, 'test');
};

test('nodes are forgotten when a file cannot be released, or not be opened', async () => {
  const noRelease = new Paths({
    open: () => ({ fh: 1, openFlags: 0 }),
    release: failsWith('EIO'),
  });
  const fd = await noRelease.create('/f');
  await noRelease.call((ops, done) => ops.unlink('/f', done));
  const [errno] = await noRelease.call((ops, done) => ops.release('', fd, done));
  assert.deepEqual([errno, noRelease.nodes], [-5, 1]);

  const noOpen = new Paths({ open: failsWith('EACCES') });
  Object.assign(noOpen.fileSystem, { create: undefined });
  const made = await noOpen.call((ops, done) => ops.create('/f', S_IFREG | 0o644, done));
  await noOpen.call((ops, done) => ops.unlink('/f', done));
  assert.deepEqual([made, noOpen.nodes], [[-13], 1]);
});

test('nodes are forgotten when nothing of the path is left', async () => {
  const paths = new Paths();
  await paths.call((ops, done) => ops.mkdir('/a', 0o755, done));
  await paths.call((ops, done) => ops.mkdir('/a/b', 0o755, done));
  const fd = await paths.create('/a/b/f');
  assert.equal(paths.nodes, 4);
  assert.deepEqual(await paths.call((ops, done) => ops.unlink('/a/b/f', done)), [0]);
  assert.equal(paths.nodes, 4, 'the open file stays');
  const data = Buffer.from('abc');
  assert.deepEqual(await paths.call((ops, done) => ops.write('', fd, data, 3, 0, done)), [3]);
  assert.deepEqual(await paths.call((ops, done) => ops.release('', fd, done)), [0]);
  assert.equal(paths.nodes, 3);
  await paths.call((ops, done) => ops.rename('/a/b', '/c', done));
  await paths.call((ops, done) => ops.rmdir('/c', done));
  await paths.call((ops, done) => ops.rmdir('/a', done));
  paths.host.end();
  assert.equal(paths.nodes, 1);
});

test('failures are negative errnos, and leave no node behind', async () => {
  const paths = new Paths();
  const results = [
    await paths.call((ops, done) => ops.getattr('/no/where', done)),
    await paths.call((ops, done) => ops.mkdir('/', 0o755, done)),
    await paths.call((ops, done) => ops.read('/f', 99, Buffer.alloc(1), 1, 0, done)),
  ].map(([result]) => result);
  assert.deepEqual(results, [-2, -16, -9]);
  assert.equal(paths.nodes, 1);
});

const BROKEN: [string, Error, RegExp, RegExp][] = [
  [
    'is not installed',
    Object.assign(new Error('x'), { code: 'ERR_MODULE_NOT_FOUND' }),
    /is not installed/,
    /^npm install fuse-native$/,
  ],
  [
    'lacks libfuse2',
    Object.assign(new Error('libfuse.so.2: cannot open'), { code: 'ERR_DLOPEN_FAILED' }),
    /libfuse\.so\.2 is not installed/,
    /^sudo apt-get install libfuse2$/,
  ],
  ['has no binary', new Error('No native build was found for'), /no binary for/, /\/dev\/fuse/],
];
for (const [name, cause, message, hint] of BROKEN) {
  test(`a package that ${name} is an error that says what to do`, async () => {
    const error: unknown = await loadFuseNative(() => Promise.reject(cause)).catch(
      (thrown: unknown) => thrown,
    );
    assert.ok(error instanceof UserError);
    assert.equal(error.code, 'TSB_NO_FUSE');
    assert.match(error.message, message);
    assert.match(error.hint ?? '', hint);
  });
}

test('mountText() escapes commas, and says the flags', () => {
  const text = mountText({ mountpoint: '/m', fsname: 'a,b', subtype: 's', nosuid: true }, ['x=1']);
  assert.match(text, /^a\\,b,subtype=s,.*,use_ino,.*,allow_other,nodev,nosuid,x=1$/);
});
