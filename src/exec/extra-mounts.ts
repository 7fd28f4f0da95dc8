import { chmodSync, chownSync, writeFileSync } from 'node:fs';

import { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_PATH, O_WRONLY } from '../sys/constants.js';
import { RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS, S_IFDIR, S_IFMT } from '../sys/constants.js';
import { mkdirat } from '../sys/directory.js';
import type { Fd } from '../sys/fd.js';
import { openat, openat2 } from '../sys/file.js';
import { MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID } from '../sys/mount.js';
import { MOUNT_ATTR_RDONLY, MS_BIND, MS_NODEV, MS_NOSUID, MS_RDONLY } from '../sys/mount.js';
import { mount, mountSetattr } from '../sys/mount.js';
import { fstat } from '../sys/stat.js';
import { FsError } from '../sys/errno.js';
import { hasCode } from '../util/errors.js';
import { procPath } from './root-paths.js';
import type { Root } from './root-paths.js';
import type { SandboxMount } from './run-spec.js';

const SECRET_ATTRIBUTES =
  MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;

/** Where mounts are made. */
export interface MountPlace {
  readonly root: Root;
  /** A tmpfs that the command cannot reach. */
  readonly files: Fd;
}

/** The mounts in an order in which none covers another one that is below it. */
export function inMountOrder(mounts: readonly SandboxMount[]): SandboxMount[] {
  return mounts.toSorted((a, b) => (a.target < b.target ? -1 : a.target > b.target ? 1 : 0));
}

/** Bytes that the secrets take in a tmpfs, a page each at least. */
export function secretBytes(mounts: readonly SandboxMount[]): number {
  const page = 4096;
  return mounts.reduce((sum, each) => {
    return each.kind === 'secret' ? sum + Math.ceil(each.base64.length / page) * page + page : sum;
  }, 0);
}

/** Makes one mount; devices never work in it. */
export function mountExtra(place: MountPlace, extra: SandboxMount, number: number): void {
  switch (extra.kind) {
    case 'bind':
      mountBind(place, extra);
      return;
    case 'tmpfs':
      mountTmpfs(place, extra);
      return;
    case 'secret':
      mountSecret(place, extra, number);
  }
}

function mountBind(
  { root }: MountPlace,
  { root: dir, path, target, readOnly }: Extract<SandboxMount, { kind: 'bind' }>,
): void {
  using top = openat(undefined, dir, O_PATH | O_DIRECTORY);
  const resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  using source = openat2(top, path === '' ? '.' : path, { flags: O_PATH, resolve });
  const isDir = (fstat(source).mode & S_IFMT) === S_IFDIR;
  using place = openTarget(root, target, isDir);
  mount({ source: procPath(source), target: procPath(place), flags: MS_BIND });
  using bound = root.open(target);
  mountSetattr(bound, '', 0, { set: MOUNT_ATTR_NODEV | (readOnly ? MOUNT_ATTR_RDONLY : 0) });
}

function mountTmpfs(
  { root }: MountPlace,
  { target, sizeBytes, readOnly, mode }: Extract<SandboxMount, { kind: 'tmpfs' }>,
): void {
  using place = openTarget(root, target, true);
  const size = sizeBytes === undefined ? '' : `,size=${sizeBytes}`;
  const data = `mode=${mode.toString(8)}${size}`;
  const flags = MS_NOSUID | MS_NODEV | (readOnly ? MS_RDONLY : 0);
  mount({ source: 'tmpfs', target: procPath(place), type: 'tmpfs', flags, data });
}

function mountSecret(
  { root, files }: MountPlace,
  { target, base64, mode, uid, gid }: Extract<SandboxMount, { kind: 'secret' }>,
  number: number,
): void {
  const source = `${procPath(files)}/secret-${number}`;
  writeFileSync(source, Buffer.from(base64, 'base64'), { mode: 0o600 });
  chownSync(source, uid, gid);
  chmodSync(source, mode & 0o777);
  using place = openTarget(root, target, false);
  mount({ source, target: procPath(place), flags: MS_BIND });
  using bound = root.open(target);
  const executable = (mode & 0o111) !== 0 ? MOUNT_ATTR_NOEXEC : 0;
  mountSetattr(bound, '', 0, { set: SECRET_ATTRIBUTES & ~executable });
}

/** Opens a target; made where it lies in another mount, which may lack it. */
function openTarget(root: Root, target: string, isDir: boolean): Fd {
  try {
    return root.open(target);
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
  }
  makeTarget(root, target, isDir);
  return root.open(target);
}

/** INVARIANT: nothing is made in the root file system itself, where it would be in the layer. */
function makeTarget(root: Root, target: string, isDir: boolean): void {
  using top = root.open('/');
  const { dev } = fstat(top);
  const names = target.split('/').filter((name) => name !== '');
  for (const [at, name] of names.entries()) {
    using parent = root.open(`/${names.slice(0, at).join('/')}`);
    const path = `/${names.slice(0, at + 1).join('/')}`;
    if (exists(root, path)) continue;
    if (fstat(parent).dev === dev) throw new FsError('ENOENT', 'open', path);
    if (isDir || at < names.length - 1) {
      mkdirat(parent, name, 0o755);
    } else {
      openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o644).close();
    }
  }
}

function exists(root: Root, path: string): boolean {
  try {
    root.open(path).close();
    return true;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return false;
    throw error;
  }
}
