import { displayName, byteNameOf } from '../util/byte-name.js';
import type { PathOperations } from './package.js';
import { CALLER, type PathHost } from './path-host.js';

/** The callbacks on extended attributes, as far as the file system has them. */
export function xattrOperations(host: PathHost): PathOperations {
  const { fs, walk } = host;
  return {
    ...(fs.setxattr !== undefined && {
      setxattr: (path, name, value, _position, flags, done) =>
        host.onNode('setxattr', path, {
          done,
          action: (nodeid) => {
            const change = { nodeid, name: byteNameOf(name), value: Buffer.from(value), flags };
            return fs.setxattr?.({ ...change, killSgid: false }, CALLER);
          },
        }),
    }),
    ...(fs.getxattr !== undefined && {
      getxattr: (path, name, _position, done) =>
        host.run('getxattr', done, () =>
          walk.use(path, async (nodeid) => [
            0,
            await fs.getxattr?.(nodeid, byteNameOf(name), CALLER),
          ]),
        ),
    }),
    ...(fs.listxattr !== undefined && {
      listxattr: (path, done) =>
        host.run('listxattr', done, () =>
          walk.use(path, async (nodeid) => [
            0,
            ((await fs.listxattr?.(nodeid, CALLER)) ?? []).map(displayName),
          ]),
        ),
    }),
    ...(fs.removexattr !== undefined && {
      removexattr: (path, name, done) =>
        host.onNode('removexattr', path, {
          done,
          action: (nodeid) => fs.removexattr?.(nodeid, byteNameOf(name), CALLER),
        }),
    }),
  };
}
