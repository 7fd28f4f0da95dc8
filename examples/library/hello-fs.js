// A FUSE file system of one file, from the kernel's operations. As root, or inside
// `unshare --user --map-root-user --mount`:
//   node examples/library/hello-fs.js DIR &    cat DIR/hello    umount DIR
// @ts-check
import { Buffer } from 'node:buffer';
import { attributes, byteNameOf, FsError, listNames, mountAndServe } from 'tsbuild/fuse';

const ROOT = 1;
const FILE = 2;
const TEXT = Buffer.from('Hello from user space.\n');

const rootAttr = attributes({ ino: ROOT, mode: 0o40755 });
const fileAttr = attributes({ ino: FILE, mode: 0o100644, size: TEXT.length });

/** @type {import('tsbuild/fuse').FileSystem} What is left out does not exist here. */
const hello = {
  lookup: (parent, name) =>
    parent === ROOT && name === byteNameOf('hello') ? { nodeid: FILE, attr: fileAttr } : undefined,
  forget: () => undefined,
  getattr: (nodeid) => (nodeid === ROOT ? rootAttr : fileAttr),
  readdir: (nodeid, _fh, offset, sink) => {
    if (nodeid !== ROOT) throw new FsError('ENOTDIR', 'readdir');
    listNames(sink, offset, [{ name: 'hello', ino: FILE, mode: fileAttr.mode }]);
  },
  read: ({ offset }, into) => TEXT.copy(into, 0, offset),
};

const [mountpoint = ''] = process.argv.slice(2);
await mountAndServe(hello, {
  mountpoint,
  readOnly: true,
  onReady: (path) => console.log(`mounted ${path}`),
});
