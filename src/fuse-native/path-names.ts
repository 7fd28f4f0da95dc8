import type { Entry, NodeId } from '../fuse/filesystem.js';
import { S_IFDIR } from '../sys/constants.js';
import type { ByteName } from '../util/byte-name.js';
import type { Done, PathOperations } from './package.js';
import { CALLER, assertHas, type PathHost } from './path-host.js';

/** Makes the entry that it returns, or removes or moves a name. */
type Action = (parent: NodeId, name: ByteName) => unknown;

/** The callbacks that make, remove and move names. */
export function nameOperations(host: PathHost): PathOperations {
  const { fs, walk } = host;
  const at = (path: string, done: Done, action: Action): void => {
    host.run('name', done, () =>
      walk.usePlace(path, async (parent, name) => {
        const made = (await action(parent, name)) as Entry | undefined;
        if (made !== undefined) host.forget(made);
        return [0];
      }),
    );
  };
  return {
    mknod: (path, mode, rdev, done) =>
      at(path, done, (parent, name) => {
        assertHas(fs, 'mknod', 'EPERM');
        return fs.mknod({ parent, name, mode, rdev }, CALLER);
      }),
    mkdir: (path, mode, done) =>
      at(path, done, (parent, name) => {
        assertHas(fs, 'mkdir', 'EPERM');
        const type = (mode & 0o7777) | S_IFDIR;
        return fs.mkdir({ parent, name, mode: type, rdev: 0 }, CALLER);
      }),
    symlink: (target, path, done) =>
      at(path, done, (parent, name) => {
        assertHas(fs, 'symlink', 'EPERM');
        return fs.symlink(parent, name, Buffer.from(target), CALLER);
      }),
    link: (from, path, done) =>
      at(path, done, (parent, name) => {
        assertHas(fs, 'link', 'EPERM');
        return walk.use(from, (nodeid) => fs.link(nodeid, parent, name, CALLER));
      }),
    unlink: (path, done) =>
      at(path, done, (parent, name) => {
        assertHas(fs, 'unlink', 'EPERM');
        return fs.unlink(parent, name, CALLER);
      }),
    rmdir: (path, done) =>
      at(path, done, (parent, name) => {
        assertHas(fs, 'rmdir', 'EPERM');
        return fs.rmdir(parent, name, CALLER);
      }),
    rename: (from, to, done) =>
      at(to, done, (newParent, newName) => {
        assertHas(fs, 'rename', 'EPERM');
        return walk.usePlace(from, (parent, name) =>
          fs.rename({ parent, name, newParent, newName, flags: 0 }, CALLER),
        );
      }),
  };
}
