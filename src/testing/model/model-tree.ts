import type { Time } from '../../fuse/filesystem.js';
import {
  NAME_MAX,
  RENAME_EXCHANGE,
  RENAME_NOREPLACE,
  RENAME_WHITEOUT,
  S_IFCHR,
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_ISGID,
  XATTR_CREATE,
  XATTR_REPLACE,
} from '../../sys/constants.js';
import {
  assertXattr,
  chmod,
  chown,
  content,
  fail,
  fallocate,
  isDir,
  isType,
  resize,
  stat,
  truncate,
  utimens,
  write,
  type ModelDir,
  type ModelInode,
} from './model-inode.js';
import {
  SLOTS,
  splitPath,
  xattrValue,
  type Handlers,
  type ModelEntry,
  type OperationFields,
  type Outcome,
  type Subject,
} from './operations.js';

interface Place {
  readonly dir: ModelDir;
  readonly name: string;
}

/**
 * A file system as simple as it can be written, for root, with umask 0. What it answers is what
 * ext4 answers. No symlink of it leads anywhere: to follow one is ENOENT.
 */
export class ModelTree implements Subject {
  readonly root: ModelInode;
  readonly slots: (ModelInode | undefined)[] = new Array<undefined>(SLOTS).fill(undefined);
  /** The time of the next operation. */
  now: Time = { sec: 0, nsec: 0 };
  #lastId = 0;

  constructor(now: Time) {
    this.now = now;
    this.root = this.#inode(S_IFDIR | 0o755);
    this.root.nlink = 2;
  }

  #inode(mode: number): ModelInode {
    const { now } = this;
    return {
      ...{ id: ++this.#lastId, mode, uid: 0, gid: 0, nlink: 1, major: 0, minor: 0 },
      ...{ data: Buffer.alloc(0), target: '', linkable: false, parent: undefined },
      children: (mode & S_IFMT) === S_IFDIR ? new Map() : undefined,
      ...{ xattrs: new Map(), atime: now, mtime: now, ctime: now },
    };
  }

  /** The inode of a path; throws as Linux does. `follow`: a symlink at the end is followed. */
  #find(path: string, follow = false): ModelInode {
    if (path === '') return this.root;
    const node = this.#child(this.#place(path)) ?? fail('ENOENT');
    return follow && isType(node, S_IFLNK) ? fail('ENOENT') : node;
  }

  #place(path: string): Place {
    const { dir: dirPath, name } = splitPath(path);
    let dir = this.root;
    for (const part of dirPath === '' ? [] : dirPath.split('/')) dir = this.#step(dir, part);
    if (!isDir(dir)) fail(isType(dir, S_IFLNK) ? 'ENOENT' : 'ENOTDIR');
    return { dir, name };
  }

  #child({ dir, name }: Place): ModelInode | undefined {
    if (name.length > NAME_MAX) fail('ENAMETOOLONG');
    return dir.children.get(name);
  }

  #step(dir: ModelInode, part: string): ModelInode {
    if (!isDir(dir)) return fail(isType(dir, S_IFLNK) ? 'ENOENT' : 'ENOTDIR');
    if (part.length > NAME_MAX) fail('ENAMETOOLONG');
    return dir.children.get(part) ?? fail('ENOENT');
  }

  /** The same, without errors. */
  find(path: string): ModelInode | undefined {
    try {
      return this.#find(path);
    } catch {
      return undefined;
    }
  }

  #slot(slot: number): ModelInode {
    return this.slots[slot] ?? fail('EBADF');
  }

  #entriesChanged(dir: ModelInode): void {
    dir.mtime = dir.ctime = this.now;
  }

  #add({ dir, name }: Place, mode: number): ModelInode {
    if (this.#child({ dir, name }) !== undefined) fail('EEXIST');
    const node = this.#inode(mode);
    this.#inherit(dir, node);
    this.#attach({ dir, name }, node);
    this.#entriesChanged(dir);
    return node;
  }

  #inherit(dir: ModelInode, node: ModelInode): void {
    if ((dir.mode & S_ISGID) === 0) return;
    node.gid = dir.gid;
    if (isDir(node)) node.mode |= S_ISGID;
  }

  #attach({ dir, name }: Place, node: ModelInode): void {
    dir.children.set(name, node);
    if (!isDir(node)) return;
    node.parent = dir;
    node.nlink = 2 + [...node.children.values()].filter(isDir).length;
    dir.nlink += 1;
  }

  #detach({ dir, name }: Place, node: ModelInode): void {
    dir.children.delete(name);
    if (isDir(node)) dir.nlink -= 1;
  }

  #remove(place: Place, node: ModelInode): void {
    this.#detach(place, node);
    node.nlink = isDir(node) ? 0 : node.nlink - 1;
    node.ctime = this.now;
  }

  #setxattr(op: OperationFields['setxattr']): void {
    const node = this.#find(op.path);
    assertXattr(node, op.name);
    const exists = node.xattrs.has(op.name);
    if (exists && (op.flags & XATTR_CREATE) !== 0) fail('EEXIST');
    if (!exists && (op.flags & XATTR_REPLACE) !== 0) fail('ENODATA');
    node.xattrs.set(op.name, xattrValue(op.name, op.seed, op.length));
    node.ctime = this.now;
  }

  #removexattr({ path, name }: OperationFields['removexattr']): void {
    const node = this.#find(path);
    assertXattr(node, name);
    if (!node.xattrs.delete(name)) fail('ENODATA');
    node.ctime = this.now;
  }

  #isInside(dir: ModelInode, node: ModelInode): boolean {
    for (let at: ModelInode | undefined = dir; at !== undefined; at = at.parent) {
      if (at === node) return true;
    }
    return false;
  }

  #rename({ path, to, flags }: OperationFields['rename']): void {
    const from = this.#place(path);
    const into = this.#place(to);
    const node = this.#child(from) ?? fail('ENOENT');
    const target = this.#child(into);
    const exchange = (flags & RENAME_EXCHANGE) !== 0;
    if (target !== undefined && (flags & RENAME_NOREPLACE) !== 0) fail('EEXIST');
    if (exchange && target === undefined) fail('ENOENT');
    if (isDir(node) && this.#isInside(into.dir, node)) fail('EINVAL');
    if (target !== undefined && isDir(target) && this.#isInside(from.dir, target)) {
      fail(exchange ? 'EINVAL' : 'ENOTEMPTY');
    }
    if (target === node) return;
    if (exchange && target !== undefined) {
      this.#detach(into, target);
      this.#detach(from, node);
      this.#attach(from, target);
      target.ctime = this.now;
    } else if (target !== undefined) {
      if (isDir(target) && !isDir(node)) fail('EISDIR');
      if (!isDir(target) && isDir(node)) fail('ENOTDIR');
      if (isDir(target) && target.children.size > 0) fail('ENOTEMPTY');
      this.#remove(into, target);
      this.#detach(from, node);
    } else {
      this.#detach(from, node);
    }
    this.#attach(into, node);
    node.ctime = this.now;
    if ((flags & RENAME_WHITEOUT) !== 0) this.#attach(from, this.#inode(S_IFCHR));
    this.#entriesChanged(from.dir);
    this.#entriesChanged(into.dir);
  }

  #link(node: ModelInode, to: string): void {
    const place = this.#place(to);
    if (this.#child(place) !== undefined) fail('EEXIST');
    if (isDir(node)) fail('EPERM');
    if (node.nlink === 0 && !node.linkable) fail('ENOENT');
    node.linkable = false;
    node.nlink += 1;
    node.ctime = this.now;
    this.#attach(place, node);
    this.#entriesChanged(place.dir);
  }

  #copy(op: OperationFields['copy']): Outcome {
    const [from, to] = [this.#slot(op.slot), this.#slot(op.toSlot)];
    const count = Math.max(0, Math.min(op.length, from.data.length - op.offset));
    if (count > 0) {
      const bytes = Buffer.from(from.data.subarray(op.offset, op.offset + count));
      if (op.toOffset + count > to.data.length) resize(to, op.toOffset + count);
      bytes.copy(to.data, op.toOffset);
      content(to, this.now);
    }
    to.mtime = to.ctime = undefined;
    return { count };
  }

  #entries(dir: ModelInode): readonly ModelEntry[] {
    if (!isDir(dir)) return fail('ENOTDIR');
    const entryOf = ([name, { id, mode }]: [string, ModelInode]): ModelEntry => ({
      name,
      ino: id,
      type: mode & S_IFMT,
    });
    const dots: [string, ModelInode][] = [['.', dir]];
    if (dir.parent !== undefined) dots.push(['..', dir.parent]);
    return [...dots, ...dir.children].map(entryOf);
  }

  #open(slot: number, node: ModelInode): Outcome {
    this.slots[slot] = node;
    return {};
  }

  #create(op: OperationFields['create']): Outcome {
    this.slots[op.slot] = undefined;
    const place = this.#place(op.path);
    const known = this.#child(place);
    if (known === undefined) return this.#open(op.slot, this.#add(place, S_IFREG | op.mode));
    if (op.exclusive) fail('EEXIST');
    if (isDir(known)) fail('EISDIR');
    if (isType(known, S_IFLNK)) fail('ELOOP');
    return this.#open(op.slot, known);
  }

  #openFile({ path, slot, truncate }: OperationFields['open']): Outcome {
    this.slots[slot] = undefined;
    const node = this.#find(path);
    if (isType(node, S_IFLNK)) fail('ELOOP');
    if (isDir(node)) fail('EISDIR');
    if (truncate) {
      resize(node, 0);
      content(node, this.now);
    }
    return this.#open(slot, node);
  }

  #openDir({ path, slot }: OperationFields['opendir']): Outcome {
    this.slots[slot] = undefined;
    const node = this.#find(path);
    return isDir(node) ? this.#open(slot, node) : fail('ENOTDIR');
  }

  #tmpfile({ path, mode, slot }: OperationFields['tmpfile']): Outcome {
    this.slots[slot] = undefined;
    const dir = this.#find(path, true);
    if (!isDir(dir)) fail('ENOTDIR');
    const node = this.#inode(S_IFREG | mode);
    this.#inherit(dir, node);
    node.nlink = 0;
    node.linkable = true;
    return this.#open(slot, node);
  }

  readonly handlers: Handlers = {
    mkdir: (op) => done(() => this.#add(this.#place(op.path), S_IFDIR | op.mode)),
    create: (op) => this.#create(op),
    open: (op) => this.#openFile(op),
    opendir: (op) => this.#openDir(op),
    tmpfile: (op) => this.#tmpfile(op),
    close: ({ slot }) => {
      this.#slot(slot);
      this.slots[slot] = undefined;
      return {};
    },
    write: (op) => write(this.#slot(op.slot), this.now, op),
    read: ({ slot, offset, length }) => ({
      bytes: Buffer.from(this.#slot(slot).data.subarray(offset, offset + length)),
    }),
    ftruncate: ({ slot, size }) => done(() => truncate(this.#slot(slot), this.now, size)),
    truncate: ({ path, size }) => done(() => truncate(this.#find(path, true), this.now, size)),
    unlink: ({ path }) => {
      const place = this.#place(path);
      const node = this.#child(place) ?? fail('ENOENT');
      if (isDir(node)) fail('EISDIR');
      this.#remove(place, node);
      return done(() => this.#entriesChanged(place.dir));
    },
    rmdir: ({ path }) => {
      const place = this.#place(path);
      const node = this.#child(place) ?? fail('ENOENT');
      if (!isDir(node)) fail('ENOTDIR');
      if (node.children.size > 0) fail('ENOTEMPTY');
      this.#remove(place, node);
      return done(() => this.#entriesChanged(place.dir));
    },
    rename: (op) => done(() => this.#rename(op)),
    link: ({ path, to }) => done(() => this.#link(this.#find(path), to)),
    linkSlot: ({ slot, to }) => done(() => this.#link(this.#slot(slot), to)),
    symlink: ({ path, target }) => {
      this.#add(this.#place(path), S_IFLNK | 0o777).target = target;
      return {};
    },
    readlink: ({ path }) => {
      const node = this.#find(path);
      return isType(node, S_IFLNK) ? { text: node.target } : fail('EINVAL');
    },
    chmod: ({ path, mode }) => done(() => chmod(this.#find(path, true), this.now, mode)),
    fchmod: ({ slot, mode }) => done(() => chmod(this.#slot(slot), this.now, mode)),
    chown: (op) => done(() => chown(this.#find(op.path), this.now, op)),
    fchown: (op) => done(() => chown(this.#slot(op.slot), this.now, op)),
    utimens: (op) => done(() => utimens(this.#find(op.path), this.now, op)),
    futimens: (op) => done(() => utimens(this.#slot(op.slot), this.now, op)),
    setxattr: (op) => done(() => this.#setxattr(op)),
    getxattr: ({ path, name }) => {
      return { bytes: this.#find(path).xattrs.get(name) ?? fail('ENODATA') };
    },
    listxattr: ({ path }) => ({ names: [...this.#find(path).xattrs.keys()].sort() }),
    removexattr: (op) => done(() => this.#removexattr(op)),
    mknod: ({ path, mode, major, minor }) => {
      return done(() => Object.assign(this.#add(this.#place(path), mode), { major, minor }));
    },
    fallocate: (op) => done(() => fallocate(this.#slot(op.slot), this.now, op)),
    copy: (op) => this.#copy(op),
    lseek: ({ slot, offset }) => {
      const { length } = this.#slot(slot).data;
      return offset >= length ? fail('ENXIO') : { bytes: this.#slot(slot).data };
    },
    readdir: ({ path }) => ({ entries: this.#entries(this.#find(path)) }),
    readdirSlot: ({ slot }) => {
      const dir = this.#slot(slot);
      return dir.nlink === 0 ? fail('ENOENT') : { entries: this.#entries(dir) };
    },
    stat: ({ path }) => ({ stat: stat(this.#find(path)) }),
    fstat: ({ slot }) => ({ stat: stat(this.#slot(slot)) }),
    readFile: ({ path }) => {
      const node = this.#find(path);
      return isType(node, S_IFREG) ? { bytes: node.data } : fail('EINVAL');
    },
  };

  forget(): void {
    // The model remembers everything.
  }

  /** A step ends: nothing is open any more, and a layer keeps only the time of modification. */
  commit(): void {
    this.slots.fill(undefined);
    for (const [, node] of this.walk()) node.atime = node.ctime = node.mtime;
  }

  /** Every name with its inode, the root first. */
  *walk(): Generator<[string, ModelInode]> {
    const pending: [string, ModelInode][] = [['', this.root]];
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      yield next;
      const [path, { children }] = next;
      for (const [name, child] of children ?? []) {
        pending.push([path === '' ? name : `${path}/${name}`, child]);
      }
    }
  }
}

function done(action: () => unknown): Outcome {
  action();
  return {};
}
