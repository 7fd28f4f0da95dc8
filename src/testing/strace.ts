import { lstatSync, readlinkSync, type Stats } from 'node:fs';
import path from 'node:path';

import { ACCESS, type Access } from '../overlay/access-record.js';
import { hasCode } from '../util/errors.js';

/** What strace is to be started with; its output is for {@link readStrace}. */
export const STRACE: readonly string[] = [
  ...['strace', '-f', '-y', '-qq', '-s', '0', '-e', 'signal=none', '-e'],
  'trace=%file,getdents64,read,pread64,readv,fstat,fchmod,fchown,flistxattr,fgetxattr,fchdir',
];

/** Where the traced programs run. */
export interface Traced {
  /** The directory that is their root, as strace sees it. */
  readonly mountpoint: string;
  /** The lower layer, as a directory. */
  readonly lowerdir: string;
}

const SYMLINKS_MAX = 40;
const CALL = /^(?:\[pid +)?(\d+)?\]? *(\w+)\((.*)\) += (-?\d+)(<[^>]*>)?(?: (E\w+))?/;
/** Calls with a descriptor and no path. */
const OF_FD = /^(?:f(?!access|.*at$).*|read|pread64|readv|getdents64)$/;
/** A path, and the directory that it is relative to. */
const PATH_ARGUMENT = /(?:(?:AT_FDCWD|\d+)<([^>]*)>, )?"((?:[^"\\]|\\.)*)"/g;
const PATH_OF_FD = /^(?:AT_FDCWD|\d+)<([^>]*)>(?!\(deleted\))/;

/** Calls that look at the name itself, not at what a symlink there leads to. */
const NO_FOLLOW =
  /^(?:l.*|readlink(?:at)?|unlink(?:at)?|rmdir|rename(?:at2?)?|mkdir(?:at)?|mknod(?:at)?|symlink(?:at)?)$/;
/** What a call has used of the inode that it leads to, if it succeeds. */
const USES: Readonly<Record<string, Access>> = {
  newfstatat: ACCESS.stat,
  stat: ACCESS.stat,
  lstat: ACCESS.stat,
  statx: ACCESS.stat,
  access: ACCESS.stat,
  faccessat: ACCESS.stat,
  faccessat2: ACCESS.stat,
  fstat: ACCESS.stat,
  openat: ACCESS.stat,
  open: ACCESS.stat,
  execve: ACCESS.stat | ACCESS.read,
  readlink: ACCESS.readlink,
  readlinkat: ACCESS.readlink,
  read: ACCESS.read,
  pread64: ACCESS.read,
  readv: ACCESS.read,
  getdents64: ACCESS.list,
  getxattr: ACCESS.xattr,
  lgetxattr: ACCESS.xattr,
  fgetxattr: ACCESS.xattr,
  listxattr: ACCESS.xattr,
  llistxattr: ACCESS.xattr,
  flistxattr: ACCESS.xattr,
};

/**
 * What of the lower layer was used according to strace's output, by absolute path, behind the
 * first chroot(2). A path is followed in the lower layer as it is: every directory and symlink on
 * it is used, too.
 */
export function readStrace(output: string, traced: Traced): Map<string, Access> {
  const uses = new Uses(traced);
  const parts = new Map<string, string>();
  const lines = output.split('\n');
  const start = lines.findIndex((line) => /\bchroot\(.*\) += 0$/.test(line)) + 1;
  for (const raw of lines.slice(start)) {
    const line = joined(raw, parts);
    const match = line === undefined ? null : CALL.exec(line);
    if (match === null) continue;
    const [, , name = '', args = '', result = '', , errno] = match;
    uses.call(name, args, { result: Number(result), errno });
  }
  return uses.found;
}

/** Puts together what strace splits when another process calls in between. */
function joined(line: string, parts: Map<string, string>): string | undefined {
  const pid = /^\d+/.exec(line)?.[0] ?? '';
  if (line.endsWith('<unfinished ...>')) {
    parts.set(pid, line.slice(0, -'<unfinished ...>'.length));
    return undefined;
  }
  const resumed = /<\.\.\. \w+ resumed>(.*)$/.exec(line);
  if (resumed === null) return line;
  const begin = parts.get(pid) ?? '';
  parts.delete(pid);
  return begin + (resumed[1] ?? '');
}

/** The paths of a call: of most the first, not the text of a symlink, not the words of a program. */
function pathsOf(name: string, args: string): RegExpExecArray[] {
  const all = [...args.matchAll(PATH_ARGUMENT)];
  if (/^(?:rename|link)/.test(name)) return all.slice(0, 2);
  return name.startsWith('symlink') ? all.slice(1, 2) : all.slice(0, 1);
}

interface Ended {
  readonly result: number;
  readonly errno: string | undefined;
}

class Uses {
  readonly found = new Map<string, Access>();
  readonly #traced: Traced;

  constructor(traced: Traced) {
    this.#traced = traced;
  }

  call(name: string, args: string, { result, errno }: Ended): void {
    // With EACCES, how much of the path was seen is not known.
    if (result < 0 && errno !== 'ENOENT' && errno !== 'EINVAL') return;
    const use = result < 0 ? 0 : (USES[name] ?? 0);
    if (OF_FD.test(name)) {
      const isEnd = (use & (ACCESS.read | ACCESS.list)) !== 0 && result === 0;
      const file = this.#inside(PATH_OF_FD.exec(args)?.[1]);
      if (file !== undefined && !isEnd) this.#walk(file, use, false);
      return;
    }
    const follows = !NO_FOLLOW.test(name) && !/NOFOLLOW|O_EXCL/.test(args);
    for (const [, of, quoted = ''] of pathsOf(name, args)) {
      const dir = this.#inside(of);
      const file = unescape(quoted);
      if (file.startsWith('/')) this.#walk(file, use, follows);
      else if (dir !== undefined) this.#walk(`${dir}/${file}`, use, follows);
    }
  }

  /** A path that strace shows, as the programs see it. */
  #inside(shown: string | undefined): string | undefined {
    const { mountpoint } = this.#traced;
    if (shown === undefined || shown.includes(' (deleted)')) return undefined;
    const file = unescape(shown);
    if (file === mountpoint) return '/';
    return file.startsWith(`${mountpoint}/`) ? file.slice(mountpoint.length) : undefined;
  }

  #walk(file: string, use: Access, follows: boolean): void {
    const todo = file.split('/').reverse();
    let at = '/';
    for (let links = 0; ;) {
      const name = todo.pop();
      if (name === undefined) break;
      if (name === '' || name === '.') continue;
      if (name === '..') {
        at = path.posix.dirname(at);
        continue;
      }
      const next = path.posix.join(at, name);
      const stats = this.#lstat(next);
      this.#add(next, stats === undefined ? ACCESS.absent : 0);
      if (stats === undefined) return;
      if (stats.isSymbolicLink() && (follows || todo.some((rest) => rest !== ''))) {
        if (++links > SYMLINKS_MAX) return;
        this.#add(next, ACCESS.readlink);
        const target = readlinkSync(path.join(this.#traced.lowerdir, next));
        todo.push(...target.split('/').reverse());
        if (target.startsWith('/')) at = '/';
        continue;
      }
      if (!stats.isDirectory() && todo.some((rest) => rest !== '')) return;
      at = next;
    }
    const isEmptyFile = (use & ACCESS.read) !== 0 && this.#lstat(at)?.size === 0;
    this.#add(at, isEmptyFile ? ACCESS.stat : use);
  }

  #lstat(file: string): Stats | undefined {
    try {
      return lstatSync(path.join(this.#traced.lowerdir, file), { throwIfNoEntry: false });
    } catch (error) {
      if (hasCode(error, 'ENOTDIR')) return undefined;
      throw error;
    }
  }

  #add(file: string, access: Access): void {
    if (file !== '/') this.found.set(file, (this.found.get(file) ?? 0) | access);
  }
}

/** Text that strace quotes as in C. */
function unescape(text: string): string {
  return text.replace(/\\([0-7]{1,3}|.)/g, (_, code: string) =>
    /^[0-7]/.test(code) ? String.fromCharCode(Number.parseInt(code, 8)) : code,
  );
}
