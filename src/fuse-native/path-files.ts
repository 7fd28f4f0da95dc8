import type { Awaitable, MakeNode } from '../fuse/filesystem.js';
import { O_CREAT, O_RDWR } from '../sys/constants.js';
import type { Answer, PathOperations } from './package.js';
import { CALLER, assertHas, type Handle, type PathHost } from './path-host.js';

/** The callbacks on open files. */
export function fileOperations(host: PathHost): PathOperations {
  const { fs, walk } = host;
  return {
    open: (path, flags, done) =>
      host.run('open', done, () =>
        walk.use(path, async (nodeid) => {
          const { fh } = (await fs.open?.(nodeid, flags, CALLER)) ?? { fh: 0 };
          walk.hold(nodeid);
          return [0, host.open({ nodeid, fh })];
        }),
      ),
    create: (path, mode, done) =>
      host.run('create', done, () =>
        walk.usePlace(path, async (parent, name) => {
          return [0, host.open(await create(host, { parent, name, mode, rdev: 0 }))];
        }),
      ),
    read: (_path, fd, into, _length, offset, done) =>
      host.run('read', done, async () => {
        assertHas(fs, 'read', 'EIO');
        const { nodeid, fh } = host.handle(fd);
        return [await fs.read({ nodeid, fh, offset }, into, CALLER)];
      }),
    write: (_path, fd, data, _length, offset, done) =>
      host.run('write', done, async () => {
        assertHas(fs, 'write', 'EIO');
        const { nodeid, fh } = host.handle(fd);
        const write = { nodeid, fh, offset, data, killSuidgid: false };
        return [await fs.write(write, CALLER)];
      }),
    flush: (_path, fd, done) =>
      host.run('flush', done, () =>
        onFile(host, fd, ({ nodeid, fh }) => fs.flush?.(nodeid, fh, CALLER)),
      ),
    fsync: (_path, datasync, fd, done) =>
      host.run('fsync', done, () =>
        onFile(host, fd, ({ nodeid, fh }) => fs.fsync?.(nodeid, fh, datasync !== 0, CALLER)),
      ),
    release: (_path, fd, done) =>
      host.run('release', done, () =>
        onFile(host, fd, async ({ nodeid, fh }) => {
          try {
            if (fs.open !== undefined) await fs.release?.(nodeid, fh);
          } finally {
            host.close(fd);
          }
        }),
      ),
  };
}

async function onFile(
  host: PathHost,
  fd: number,
  action: (handle: Handle) => Awaitable<void>,
): Promise<Answer> {
  await action(host.handle(fd));
  return [0];
}

/**
 * Makes and opens a file as the kernel does it: by `create`, else by `mknod` and `open`. Its node
 * is held.
 */
async function create({ fs, walk }: PathHost, make: MakeNode): Promise<Handle> {
  const flags = O_RDWR | O_CREAT;
  if (fs.create !== undefined) {
    const { nodeid, fh } = await fs.create(make, flags, CALLER);
    walk.take(nodeid);
    return { nodeid, fh };
  }
  assertHas(fs, 'mknod', 'EPERM');
  const { nodeid } = await fs.mknod(make, CALLER);
  walk.take(nodeid);
  try {
    const { fh } = (await fs.open?.(nodeid, flags, CALLER)) ?? { fh: 0 };
    return { nodeid, fh };
  } catch (error) {
    walk.release(nodeid);
    throw error;
  }
}
