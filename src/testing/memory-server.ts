/**
 * Process entry: `memory-server.js MOUNTPOINT sync|async|slow|libfuse` mounts a file system in memory,
 * says `mounted`, serves it until it is unmounted, and says `unmounted`. `async`: from the event
 * loop, every other result as a promise. `slow`: the name `wait-<ms>` takes so long to be looked
 * up, `hang` until the caller is interrupted, `never-*` for ever, with nothing that would keep
 * the process alive. `libfuse`: through the package fuse-native.
 */
import { writeSync } from 'node:fs';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { mountFuseNative } from '../fuse-native/mount.js';
import type { FileSystem } from '../fuse/filesystem.js';
import { MemoryFileSystem } from '../fuse/filesystems/memory-filesystem.js';
import { mountFuse } from '../fuse/mount/mount.js';
import { serveAsync } from '../fuse/server/serve-async.js';
import { serve } from '../fuse/server/serve.js';
import { assert } from '../util/assert.js';

const HANG_MS = 60_000;

type Handler = (...args: unknown[]) => unknown;

/** The same file system, answering every second call of a handler with a promise. */
function halfAsynchronous(fileSystem: FileSystem): FileSystem {
  let calls = 0;
  return new Proxy(fileSystem, {
    get(target, name) {
      const handler: unknown = Reflect.get(target, name);
      if (typeof handler !== 'function' || name === 'forget') {
        return typeof handler === 'function' ? (handler as Handler).bind(target) : handler;
      }
      const call = (handler as Handler).bind(target);
      return (...args: unknown[]) =>
        ++calls % 2 === 0 ? call(...args) : nextTurn().then(() => call(...args));
    },
  });
}

/** The same file system, in which some names take time to be looked up. */
function slow(fileSystem: MemoryFileSystem): FileSystem {
  const lookup: FileSystem['lookup'] = async (parent, name, { signal }) => {
    if (name === 'hang') await sleep(HANG_MS, undefined, { ...(signal && { signal }) });
    if (name.startsWith('never-')) await new Promise(() => undefined);
    if (name.startsWith('wait-')) await sleep(Number(name.slice('wait-'.length)));
    return fileSystem.lookup(parent, name);
  };
  return new Proxy<FileSystem>(fileSystem, {
    get(target, name) {
      const handler: unknown = name === 'lookup' ? lookup : Reflect.get(target, name);
      return typeof handler === 'function' ? (handler as Handler).bind(target) : handler;
    },
  });
}

const [, , mountpoint, mode] = process.argv;
assert(mountpoint !== undefined, 'a mountpoint is needed');
const fileSystem = new MemoryFileSystem();
const options = { mountpoint, fsname: 'mem,o\\ry', subtype: 'tsbuild-test' };
if (mode === 'libfuse') {
  const mount = await mountFuseNative(options, halfAsynchronous(fileSystem));
  writeSync(1, 'mounted\n');
  await mount.ended;
} else {
  using device = mountFuse(options);
  writeSync(1, 'mounted\n');
  if (mode === 'async') await serveAsync(device, halfAsynchronous(fileSystem));
  else if (mode === 'slow') await serveAsync(device, slow(fileSystem));
  else serve(device, fileSystem);
}
writeSync(1, 'unmounted\n');
