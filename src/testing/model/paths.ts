import type { Caller, FileSystem } from '../../fuse/filesystem.js';
import { S_IFDIR, S_IFLNK, S_IFMT } from '../../sys/constants.js';
import { FsError } from '../../sys/errno.js';
import type { ByteName } from '../../util/byte-name.js';
import type { Dentry, DentryCache } from './dentry-cache.js';
import { splitPath } from './operations.js';

/** Root, for whom the kernel forbids nothing. */
export const CALLER: Caller = { uid: 0, gid: 0, pid: 1 };

/** A synchronous file system that can do everything. */
export type CompleteFileSystem = Required<
  Omit<FileSystem, 'open' | 'opendir' | 'release' | 'releasedir' | 'lseek' | 'ioctl' | 'access'>
> &
  Pick<FileSystem, 'lseek'>;

/** A name that something may be made under. */
export interface Place {
  readonly dir: Dentry;
  readonly nodeid: number;
  readonly name: ByteName;
}

/** What the kernel answers by itself. */
export function fail(code: string): never {
  throw new FsError(code, 'vfs');
}

/** What a synchronous handler returned. */
export function now<T>(result: T | Promise<T>): T {
  if (result instanceof Promise) throw new TypeError('Cannot wait for a promise here');
  return result;
}

/** Walks paths of a file system as the kernel does, through its cache of names. */
export class Paths {
  readonly #fs: CompleteFileSystem;
  readonly #cache: DentryCache;

  constructor(fs: CompleteFileSystem, cache: DentryCache) {
    this.#fs = fs;
    this.#cache = cache;
  }

  mode(nodeid: number): number {
    return now(this.#fs.getattr(nodeid, CALLER)).mode;
  }

  idOf(dentry: Dentry): number {
    return dentry.nodeid ?? fail('ENOENT');
  }

  child(dir: Dentry, name: ByteName): Dentry {
    const known = dir.children.get(name);
    if (known !== undefined) return known;
    const dirId = this.idOf(dir);
    const entry = now(this.#fs.lookup(dirId, name, CALLER));
    return this.#cache.enter(dir, name, entry);
  }

  assertDir(dentry: Dentry): void {
    const type = this.mode(this.idOf(dentry)) & S_IFMT;
    if (type !== S_IFDIR) fail(type === S_IFLNK ? 'ENOENT' : 'ENOTDIR');
  }

  walk(path: string): Dentry {
    let at = this.#cache.root;
    for (const part of path === '' ? [] : path.split('/')) {
      this.assertDir(at);
      at = this.child(at, part as ByteName);
      this.idOf(at);
    }
    return at;
  }

  find(path: string, follow = false): Dentry & { readonly nodeid: number } {
    const dentry = this.walk(path);
    const nodeid = this.idOf(dentry);
    if (follow && (this.mode(nodeid) & S_IFMT) === S_IFLNK) fail('ENOENT');
    return dentry as Dentry & { readonly nodeid: number };
  }

  place(path: string): Place {
    const { dir: dirPath, name } = splitPath(path);
    const dir = this.walk(dirPath);
    this.assertDir(dir);
    return { dir, nodeid: this.idOf(dir), name: name as ByteName };
  }
}
