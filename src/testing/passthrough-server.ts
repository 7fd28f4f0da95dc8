/**
 * Process entry: `passthrough-server.js DIRECTORY MOUNTPOINT` mounts a directory of the host, says
 * `mounted`, serves it until it is unmounted, and says `unmounted` and how many descriptors are
 * open then.
 */
import { readdirSync, writeSync } from 'node:fs';
import { mountFuse } from '../fuse/mount/mount.js';
import { PassthroughFileSystem } from '../fuse/filesystems/passthrough-filesystem.js';
import { serve } from '../fuse/server/serve.js';

const [, , directory = '', mountpoint = ''] = process.argv;
const before = readdirSync('/proc/self/fd').length;
{
  using device = mountFuse({ mountpoint, fsname: directory, subtype: 'tsbuild-test' });
  using fileSystem = new PassthroughFileSystem(directory);
  writeSync(1, 'mounted\n');
  serve(device, fileSystem);
}
writeSync(1, `unmounted ${readdirSync('/proc/self/fd').length - before}\n`);
