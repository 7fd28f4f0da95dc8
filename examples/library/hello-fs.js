// A FUSE file system of one file. As root, or inside `unshare --user --map-root-user --mount`:
//   node examples/library/hello-fs.js DIR &    cat DIR/hello    umount DIR
import { Buffer } from 'node:buffer';
import { byteNameOf, FsError, mountFuse, serveAsync } from 'tsbuild/fuse';

const ROOT = 1;
const FILE = 2;
const TEXT = Buffer.from('Hello from user space.\n');
const NAME = byteNameOf('hello');

const attributes = (ino, mode, size) => ({
  ...{ ino, mode, size, blocks: 1, nlink: 1, uid: 0, gid: 0, rdev: 0, blksize: 4096 },
  ...{ atimeSec: 0, atimeNsec: 0, mtimeSec: 0, mtimeNsec: 0, ctimeSec: 0, ctimeNsec: 0 },
});
const attributesOf = (nodeid) =>
  nodeid === ROOT ? attributes(ROOT, 0o40755, 0) : attributes(FILE, 0o100644, TEXT.length);

/** Every handler may be asynchronous. What is left out does not exist for this file system. */
const hello = {
  lookup: async (parent, name) =>
    parent === ROOT && name === NAME ? { nodeid: FILE, attr: attributesOf(FILE) } : undefined,
  forget: () => undefined,
  getattr: (nodeid) => attributesOf(nodeid),
  readdir: (nodeid, _fh, offset, sink) => {
    if (nodeid !== ROOT) throw new FsError('ENOTDIR', 'readdir');
    if (offset === 0) sink.add({ name: NAME, ino: FILE, type: 8, nextOffset: 1 });
  },
  read: async ({ offset }, into) => TEXT.copy(into, 0, offset),
};

const [mountpoint] = process.argv.slice(2);
const device = mountFuse({ mountpoint, fsname: 'hello', readOnly: true });
await serveAsync(device, hello);
