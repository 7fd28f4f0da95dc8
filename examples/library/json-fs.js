// Shows a JSON document as directories and files; an array's names are its indexes:
//   node examples/library/json-fs.js package.json DIR &    cat DIR/scripts/build    umount DIR
// @ts-check
import { readFileSync } from 'node:fs';
import { directory, file, mountAndServe, VirtualFileSystem } from 'tsbuild/fuse';

/**
 * @param {unknown} value
 * @returns {import('tsbuild/fuse').VirtualNode}
 */
function nodeOf(value) {
  if (typeof value !== 'object' || value === null) return file(`${String(value)}\n`);
  const entries = Object.entries(value)
    // What cannot be a file name is left out.
    .filter(([name]) => name !== '' && name !== '.' && name !== '..' && !name.includes('/'))
    .map(([name, each]) => [name, nodeOf(each)]);
  return directory(Object.fromEntries(entries));
}

const [document = '', mountpoint = ''] = process.argv.slice(2);
const root = nodeOf(JSON.parse(readFileSync(document, 'utf8')));
if (root.kind !== 'dir') throw new Error(`Cannot show '${document}': it is a single value`);
await mountAndServe(new VirtualFileSystem(root), {
  mountpoint,
  readOnly: true,
  onReady: (path) => console.log(`mounted ${path}`),
});
