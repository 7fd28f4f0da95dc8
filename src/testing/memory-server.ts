/**
 * Process entry: `memory-server.js MOUNTPOINT sync|async` mounts a file system in memory, says
 * `mounted`, serves it until it is unmounted, and says `unmounted`.
 */
import { writeSync } from 'node:fs';
import { MemoryFileSystem } from '../fuse/memory-filesystem.js';
import { mountFuse } from '../fuse/mount.js';
import { serveAsync } from '../fuse/serve-async.js';
import { serve } from '../fuse/serve.js';
import { assert } from '../util/assert.js';

const [, , mountpoint, mode] = process.argv;
assert(mountpoint !== undefined, 'a mountpoint is needed');
using device = mountFuse({ mountpoint, fsname: 'mem,o\\ry', subtype: 'tsbuild-test' });
writeSync(1, 'mounted\n');
if (mode === 'async') await serveAsync(device, new MemoryFileSystem());
else serve(device, new MemoryFileSystem());
writeSync(1, 'unmounted\n');
