import type { Attr, DirEntry, NodeId, SetAttr, StatFs, Time } from '../fuse/filesystem.js';
import { displayName } from '../util/byte-name.js';
import type { Answer, Done, PathEntry, PathOperations, PathStat, PathStatFs } from './package.js';
import { CALLER, assertHas, type PathHost } from './path-host.js';

/** chown(2)'s -1: leave it. */
const ID_UNCHANGED = 0xffffffff;
const DTYPE_SHIFT = 12;
const MS_PER_SECOND = 1000;
const NSEC_PER_MS = 1_000_000;

/** The callbacks that read and set attributes, and list. */
export function attributeOperations(host: PathHost): PathOperations {
  const { fs, walk } = host;
  const change = (path: string, done: Done, set: Partial<SetAttr>): void => {
    host.onNode('setattr', path, {
      done,
      action: (nodeid) => {
        assertHas(fs, 'setattr', 'EPERM');
        return fs.setattr(nodeid, { killSuidgid: false, ...set }, CALLER);
      },
    });
  };
  return {
    getattr: (path, done) =>
      host.run('getattr', done, () =>
        walk.use(path, async (nodeid) => [0, statOf(await fs.getattr(nodeid, CALLER))]),
      ),
    truncate: (path, size, done) => change(path, done, { size }),
    ftruncate: (path, _fd, size, done) => change(path, done, { size }),
    utimens: (path, atimeMs, mtimeMs, done) =>
      change(path, done, { atime: timeOf(atimeMs), mtime: timeOf(mtimeMs) }),
    chmod: (path, mode, done) => change(path, done, { mode: mode & 0o7777 }),
    chown: (path, uid, gid, done) =>
      change(path, done, {
        ...(uid !== ID_UNCHANGED && { uid }),
        ...(gid !== ID_UNCHANGED && { gid }),
      }),
    ...(fs.readlink !== undefined && {
      readlink: (path, done) =>
        host.run('readlink', done, () =>
          walk.use(path, async (nodeid) => [
            0,
            ((await fs.readlink?.(nodeid, CALLER)) ?? '').toString(),
          ]),
        ),
    }),
    ...(fs.statfs !== undefined && {
      statfs: (path, done) =>
        host.run('statfs', done, () =>
          walk.use(path, async (nodeid) => [0, statFsOf(await fs.statfs?.(nodeid))]),
        ),
    }),
    ...(fs.readdir !== undefined && {
      readdir: (path, done) =>
        host.run('readdir', done, () => walk.use(path, (nodeid) => list(host, nodeid))),
    }),
  };
}

async function list({ fs }: PathHost, nodeid: NodeId): Promise<Answer<string[], PathEntry[]>> {
  const opened = await fs.opendir?.(nodeid, 0, CALLER);
  const fh = opened?.fh ?? 0;
  const entries: DirEntry[] = [];
  const add = (entry: DirEntry): boolean => entries.push(entry) > 0;
  try {
    await fs.readdir?.(nodeid, fh, 0, { plus: false, add });
  } finally {
    if (opened !== undefined) await fs.releasedir?.(nodeid, fh);
  }
  const names = entries.map(({ name }) => displayName(name));
  return [0, names, entries.map(({ type, ino }) => ({ mode: type << DTYPE_SHIFT, ino }))];
}

function statFsOf(stat: StatFs | undefined): PathStatFs | undefined {
  if (stat === undefined) return undefined;
  const { bsize, blocks, bfree, bavail, files, ffree, namelen } = stat;
  const counts = { blocks, bfree, bavail, files, ffree, favail: ffree };
  return { bsize, frsize: bsize, ...counts, namemax: namelen };
}

/** An inode as the package takes it. */
export function statOf(attr: Attr): PathStat {
  const { mode, uid, gid, size, nlink, ino, rdev, blksize, blocks } = attr;
  return {
    ...{ mode, uid, gid, size, nlink, ino, rdev, blksize, blocks },
    atime: msOf(attr.atimeSec, attr.atimeNsec),
    mtime: msOf(attr.mtimeSec, attr.mtimeNsec),
    ctime: msOf(attr.ctimeSec, attr.ctimeNsec),
  };
}

function msOf(sec: number, nsec: number): number {
  return sec * MS_PER_SECOND + Math.floor(nsec / NSEC_PER_MS);
}

function timeOf(ms: number): Time {
  const sec = Math.floor(ms / MS_PER_SECOND);
  return { sec, nsec: (ms - sec * MS_PER_SECOND) * NSEC_PER_MS };
}
