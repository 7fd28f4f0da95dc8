import type { Entry, SetAttr, Time } from '../../fuse/filesystem.js';
import {
  RENAME_EXCHANGE,
  RENAME_NOREPLACE,
  RENAME_WHITEOUT,
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  SEEK_DATA,
} from '../../sys/constants.js';
import { decodeDev, encodeDev } from '../../sys/device-number.js';
import { byteName, nameBytes, type ByteName } from '../../util/byte-name.js';
import { hasCode } from '../../util/errors.js';
import { DentryCache, type Dentry } from './dentry-cache.js';
import { CALLER, Paths, fail, now, type CompleteFileSystem, type Place } from './paths.js';
import {
  SLOTS,
  patternOf,
  xattrValue,
  type Handlers,
  type ModelEntry,
  type ModelStat,
  type OperationFields,
  type Outcome,
  type Subject,
} from './operations.js';

const NO_FH = 0;
const UMASK = 0;
const CAPABILITY = 'security.capability' as ByteName;
/** Room for entries of one READDIR, so that a listing takes several. */
const ENTRIES_MAX = 7;

interface Open {
  readonly dentry: Dentry;
  readonly nodeid: number;
  /** O_TMPFILE's, until it gets its first name. */
  linkable: boolean;
}

/**
 * A file system driven as the kernel drives one for root: names are cached and forgotten, and what
 * the kernel checks itself is not asked.
 */
export class InProcessSubject implements Subject {
  readonly #fs: CompleteFileSystem;
  readonly #cache: DentryCache;
  readonly #paths: Paths;
  readonly #slots: (Open | undefined)[] = new Array<undefined>(SLOTS).fill(undefined);
  readonly #clock: () => Time;
  #calls = 0;

  constructor(fs: CompleteFileSystem, clock: () => Time) {
    this.#fs = fs;
    this.#cache = new DentryCache(fs);
    this.#paths = new Paths(fs, this.#cache);
    this.#clock = clock;
  }

  /** Makes something: the kernel asks only if it knows of nothing under that name. */
  #make(path: string, make: (place: Place) => Entry): Dentry {
    const place = this.#paths.place(path);
    const known = place.dir.children.get(place.name);
    if (known?.nodeid !== undefined) fail('EEXIST');
    // Every other time without looking first: then the file system has to notice.
    if (this.#calls++ % 2 === 0 && this.#paths.child(place.dir, place.name).nodeid !== undefined) {
      fail('EEXIST');
    }
    return this.#cache.enter(place.dir, place.name, make(place));
  }

  #slot(slot: number): Open {
    return this.#slots[slot] ?? fail('EBADF');
  }

  #close(slot: number): void {
    const open = this.#slots[slot];
    this.#slots[slot] = undefined;
    if (open !== undefined) this.#cache.release(open.dentry);
  }

  #open(slot: number, dentry: Dentry, linkable = false): Outcome {
    const nodeid = this.#paths.idOf(dentry);
    this.#slots[slot] = { dentry: this.#cache.use(dentry), nodeid, linkable };
    return {};
  }

  #setattr(nodeid: number, change: Omit<SetAttr, 'killSuidgid'>, killSuidgid = false): Outcome {
    now(this.#fs.setattr(nodeid, { ...change, killSuidgid }, CALLER));
    return {};
  }

  #chown(nodeid: number, { uid, gid }: { uid: number; gid: number }): Outcome {
    const isDir = (this.#paths.mode(nodeid) & S_IFMT) === S_IFDIR;
    return this.#setattr(nodeid, { ...(uid >= 0 && { uid }), ...(gid >= 0 && { gid }) }, !isDir);
  }

  #utimens(nodeid: number, times: { atime?: Time; mtime?: Time }): Outcome {
    const { atime, mtime } = times;
    if (atime === undefined && mtime === undefined) return {};
    return this.#setattr(nodeid, { ...(atime && { atime }), ...(mtime && { mtime }) });
  }

  #create(op: OperationFields['create']): Outcome {
    this.#close(op.slot);
    const { dir, nodeid: parent, name } = this.#paths.place(op.path);
    const known = this.#paths.child(dir, name);
    if (known.nodeid === undefined) {
      const make = { parent, name, mode: S_IFREG | op.mode, rdev: 0, umask: UMASK };
      const entry = now(this.#fs.create(make, 0, CALLER));
      return this.#open(op.slot, this.#cache.enter(dir, name, entry));
    }
    if (op.exclusive) fail('EEXIST');
    return this.#openFile(op.slot, known.nodeid, known);
  }

  #openFile(slot: number, nodeid: number, dentry: Dentry): Outcome {
    const type = this.#paths.mode(nodeid) & S_IFMT;
    if (type === S_IFLNK) fail('ELOOP');
    if (type === S_IFDIR) fail('EISDIR');
    return this.#open(slot, dentry);
  }

  #rename({ path, to, flags }: OperationFields['rename']): Outcome {
    const from = this.#paths.place(path);
    const into = this.#paths.place(to);
    const source = this.#paths.child(from.dir, from.name);
    this.#paths.idOf(source);
    const target = this.#paths.child(into.dir, into.name);
    if (source === target && (flags & RENAME_NOREPLACE) === 0) return {};
    if (target.nodeid === source.nodeid && flags === 0) return {};
    const ends = { parent: from.nodeid, name: from.name };
    const newEnds = { newParent: into.nodeid, newName: into.name };
    now(this.#fs.rename({ ...ends, ...newEnds, flags }, CALLER));
    if (flags === RENAME_EXCHANGE) this.#cache.exchanged(source, target);
    else this.#cache.moved(source, into.dir, into.name);
    if ((flags & RENAME_WHITEOUT) !== 0) this.#paths.child(from.dir, from.name);
    return {};
  }

  #link(nodeid: number, to: string): void {
    const { dir, nodeid: parent, name } = this.#paths.place(to);
    if (this.#paths.child(dir, name).nodeid !== undefined) fail('EEXIST');
    this.#cache.enter(dir, name, now(this.#fs.link(nodeid, parent, name, CALLER)));
  }

  #linkSlot({ slot, to }: OperationFields['linkSlot']): Outcome {
    const open = this.#slot(slot);
    const attr = now(this.#fs.getattr(open.nodeid, CALLER));
    const { dir, name } = this.#paths.place(to);
    if (this.#paths.child(dir, name).nodeid !== undefined) fail('EEXIST');
    if ((attr.mode & S_IFMT) === S_IFDIR) fail('EPERM');
    if (attr.nlink === 0 && !open.linkable) fail('ENOENT');
    this.#link(open.nodeid, to);
    open.linkable = false;
    return {};
  }

  #remove(path: string, isDirWanted: boolean): Outcome {
    const { dir, nodeid: parent, name } = this.#paths.place(path);
    const dentry = this.#paths.child(dir, name);
    const isDir = (this.#paths.mode(this.#paths.idOf(dentry)) & S_IFMT) === S_IFDIR;
    if (isDir !== isDirWanted) fail(isDir ? 'EISDIR' : 'ENOTDIR');
    if (isDir) now(this.#fs.rmdir(parent, name, CALLER));
    else now(this.#fs.unlink(parent, name, CALLER));
    this.#cache.removed(dentry);
    return {};
  }

  #assertXattr(nodeid: number, name: string): void {
    const type = this.#paths.mode(nodeid) & S_IFMT;
    if (name.startsWith('user.') && type !== S_IFREG && type !== S_IFDIR) fail('EPERM');
  }

  /** Before something is written, the kernel takes the file's capabilities away by name. */
  #removePrivileges(nodeid: number): void {
    if (now(this.#fs.getxattr(nodeid, CAPABILITY, CALLER)) === undefined) return;
    now(this.#fs.removexattr(nodeid, CAPABILITY, CALLER));
  }

  #read(nodeid: number, offset: number, length: number): Outcome {
    const into = Buffer.alloc(length);
    const count = now(this.#fs.read({ nodeid, fh: NO_FH, offset }, into, CALLER));
    return { bytes: into.subarray(0, count) };
  }

  #write({ slot, offset, length, seed }: OperationFields['write']): Outcome {
    const { nodeid } = this.#slot(slot);
    const data = patternOf(seed, length);
    if (length === 0) return { count: 0 };
    this.#removePrivileges(nodeid);
    const write = { nodeid, fh: NO_FH, offset, data, killSuidgid: false };
    const count = now(this.#fs.write(write, CALLER));
    // The kernel's buffer is used again.
    data.fill('!');
    // It keeps the times of files that it writes to, and tells them.
    this.#setattr(nodeid, { mtime: this.#clock(), ctime: this.#clock() });
    return { count };
  }

  #copy(op: OperationFields['copy']): Outcome {
    const [nodeidIn, nodeidOut] = [this.#slot(op.slot).nodeid, this.#slot(op.toSlot).nodeid];
    const ends = { nodeidIn, fhIn: NO_FH, nodeidOut, fhOut: NO_FH };
    const { size } = now(this.#fs.getattr(nodeidIn, CALLER));
    const end = Math.min(op.length, size - op.offset);
    if (end > 0) this.#removePrivileges(nodeidOut);
    let count = 0;
    while (count < end) {
      const offsets = { offsetIn: op.offset + count, offsetOut: op.toOffset + count };
      const range = { ...ends, ...offsets, length: end - count, flags: 0 };
      const copied = now(this.#fs.copyFileRange(range, CALLER));
      if (copied === 0) break;
      count += copied;
    }
    // As after a write.
    if (count > 0) this.#setattr(nodeidOut, { mtime: this.#clock(), ctime: this.#clock() });
    return { count };
  }

  #lseek({ slot, offset, whence }: OperationFields['lseek']): Outcome {
    const { nodeid } = this.#slot(slot);
    const { size } = now(this.#fs.getattr(nodeid, CALLER));
    if (offset >= size) fail('ENXIO');
    if (this.#fs.lseek === undefined) return { skipped: true };
    try {
      return { position: now(this.#fs.lseek(nodeid, NO_FH, offset, whence)) };
    } catch (error) {
      // No data up to the end: that is a hole, too.
      if (whence === SEEK_DATA && hasCode(error, 'ENXIO')) return { position: size };
      throw error;
    }
  }

  /** Lists in pieces, every other time as READDIRPLUS. */
  #entries(dir: Dentry): Outcome {
    const nodeid = this.#paths.idOf(dir);
    if ((this.#paths.mode(nodeid) & S_IFMT) !== S_IFDIR) fail('ENOTDIR');
    const entries: ModelEntry[] = [];
    const plus = this.#calls++ % 2 === 0;
    let offset = 0;
    for (let count = -1; count !== 0;) {
      count = 0;
      const listed = this.#fs.readdir(nodeid, NO_FH, offset, {
        plus,
        add: (entry, lookup) => {
          if (count === ENTRIES_MAX) return false;
          count += 1;
          offset = entry.nextOffset;
          entries.push({ name: entry.name, ino: entry.ino, type: entry.type << 12 });
          if (plus && lookup !== undefined) this.#cache.enter(dir, entry.name, lookup());
          return true;
        },
      });
      now(listed);
    }
    // Of the root it is what the mount is on.
    return { entries: dir === this.#cache.root ? entries.filter((e) => e.name !== '..') : entries };
  }

  #stat(nodeid: number): ModelStat {
    const attr = now(this.#fs.getattr(nodeid, CALLER));
    const { ino, mode, uid, gid, nlink, size } = attr;
    const { major: rdevMajor, minor: rdevMinor } = decodeDev(attr.rdev);
    const time = (sec: number, nsec: number): Time => ({ sec, nsec });
    return {
      ...{ ino, mode, uid, gid, nlink, size, rdevMajor, rdevMinor },
      atime: time(attr.atimeSec, attr.atimeNsec),
      mtime: time(attr.mtimeSec, attr.mtimeNsec),
      ctime: time(attr.ctimeSec, attr.ctimeNsec),
    };
  }

  #truncate(nodeid: number, size: number): Outcome {
    const type = this.#paths.mode(nodeid) & S_IFMT;
    if (type === S_IFDIR) fail('EISDIR');
    return this.#setattr(nodeid, { size });
  }

  #setxattr({ path, name, length, seed, flags }: OperationFields['setxattr']): Outcome {
    const { nodeid } = this.#paths.find(path);
    this.#assertXattr(nodeid, name);
    const value = xattrValue(name, seed, length);
    const change = { nodeid, name: name as ByteName, value, flags, killSgid: false };
    now(this.#fs.setxattr(change, CALLER));
    value.fill('!');
    return {};
  }

  #readFile(path: string): Outcome {
    const { nodeid } = this.#paths.find(path);
    const { mode, size } = now(this.#fs.getattr(nodeid, CALLER));
    return (mode & S_IFMT) === S_IFREG ? this.#read(nodeid, 0, size + 1) : fail('EINVAL');
  }

  readonly handlers: Handlers = {
    mkdir: ({ path, mode }) => {
      const rest = { mode: S_IFDIR | mode, rdev: 0, umask: UMASK };
      this.#make(path, ({ nodeid: parent, name }) =>
        now(this.#fs.mkdir({ parent, name, ...rest }, CALLER)),
      );
      return {};
    },
    create: (op) => this.#create(op),
    open: ({ path, slot, truncate }) => {
      this.#close(slot);
      const dentry = this.#paths.find(path);
      this.#openFile(slot, dentry.nodeid, dentry);
      if (truncate) this.#setattr(dentry.nodeid, { size: 0, mtime: this.#clock() });
      return {};
    },
    opendir: ({ path, slot }) => {
      this.#close(slot);
      const dentry = this.#paths.find(path);
      if ((this.#paths.mode(dentry.nodeid) & S_IFMT) !== S_IFDIR) fail('ENOTDIR');
      return this.#open(slot, dentry);
    },
    tmpfile: ({ path, mode, slot }) => {
      this.#close(slot);
      const dir = this.#paths.find(path, true);
      this.#paths.assertDir(dir);
      const make = { parent: dir.nodeid, name: '/' as ByteName, mode: S_IFREG | mode, rdev: 0 };
      const entry = now(this.#fs.tmpfile({ ...make, umask: UMASK }, 0, CALLER));
      return this.#open(slot, this.#cache.enterUnnamed(dir, entry), true);
    },
    close: ({ slot }) => {
      this.#slot(slot);
      this.#close(slot);
      return {};
    },
    write: (op) => this.#write(op),
    read: ({ slot, offset, length }) => this.#read(this.#slot(slot).nodeid, offset, length),
    ftruncate: ({ slot, size }) => this.#truncate(this.#slot(slot).nodeid, size),
    truncate: ({ path, size }) => this.#truncate(this.#paths.find(path, true).nodeid, size),
    unlink: ({ path }) => this.#remove(path, false),
    rmdir: ({ path }) => this.#remove(path, true),
    rename: (op) => this.#rename(op),
    link: ({ path, to }) => {
      const { nodeid } = this.#paths.find(path);
      const { dir, name } = this.#paths.place(to);
      if (this.#paths.child(dir, name).nodeid !== undefined) fail('EEXIST');
      if ((this.#paths.mode(nodeid) & S_IFMT) === S_IFDIR) fail('EPERM');
      this.#link(nodeid, to);
      return {};
    },
    linkSlot: (op) => this.#linkSlot(op),
    symlink: ({ path, target }) => {
      this.#make(path, ({ nodeid, name }) =>
        now(this.#fs.symlink(nodeid, name, nameBytes(target as ByteName), CALLER)),
      );
      return {};
    },
    readlink: ({ path }) => {
      const target = now(this.#fs.readlink(this.#paths.find(path).nodeid, CALLER));
      return { text: byteName(target) };
    },
    chmod: ({ path, mode }) => this.#setattr(this.#paths.find(path, true).nodeid, { mode }),
    fchmod: ({ slot, mode }) => this.#setattr(this.#slot(slot).nodeid, { mode }),
    chown: (op) => this.#chown(this.#paths.find(op.path).nodeid, op),
    fchown: (op) => this.#chown(this.#slot(op.slot).nodeid, op),
    utimens: (op) => this.#utimens(this.#paths.find(op.path).nodeid, op),
    futimens: (op) => this.#utimens(this.#slot(op.slot).nodeid, op),
    setxattr: (op) => this.#setxattr(op),
    getxattr: ({ path, name }) => {
      const { nodeid } = this.#paths.find(path);
      const value = now(this.#fs.getxattr(nodeid, name as ByteName, CALLER));
      return { bytes: value ?? fail('ENODATA') };
    },
    listxattr: ({ path }) => {
      const names = now(this.#fs.listxattr(this.#paths.find(path).nodeid, CALLER));
      return { names: [...names].sort() };
    },
    removexattr: ({ path, name }) => {
      const { nodeid } = this.#paths.find(path);
      this.#assertXattr(nodeid, name);
      now(this.#fs.removexattr(nodeid, name as ByteName, CALLER));
      return {};
    },
    mknod: ({ path, mode, major, minor }) => {
      const rest = { mode, rdev: encodeDev(major, minor), umask: UMASK };
      this.#make(path, ({ nodeid: parent, name }) =>
        now(this.#fs.mknod({ parent, name, ...rest }, CALLER)),
      );
      return {};
    },
    fallocate: ({ slot, mode, offset, length }) => {
      const { nodeid } = this.#slot(slot);
      this.#removePrivileges(nodeid);
      now(this.#fs.fallocate({ nodeid, fh: NO_FH, offset, length, mode }, CALLER));
      return {};
    },
    copy: (op) => this.#copy(op),
    lseek: (op) => this.#lseek(op),
    readdir: ({ path }) => this.#entries(this.#paths.find(path)),
    readdirSlot: ({ slot }) => {
      const { dentry, nodeid } = this.#slot(slot);
      const { nlink } = now(this.#fs.getattr(nodeid, CALLER));
      return nlink === 0 ? fail('ENOENT') : this.#entries(dentry);
    },
    stat: ({ path }) => ({ stat: this.#stat(this.#paths.find(path).nodeid) }),
    fstat: ({ slot }) => ({ stat: this.#stat(this.#slot(slot).nodeid) }),
    readFile: ({ path }) => this.#readFile(path),
  };

  forget({ percent, seed }: OperationFields['forget']): void {
    this.#cache.shrink(percent, seed);
  }

  /** Closes everything and forgets everything, as an unmount does. */
  unmount(): void {
    for (let slot = 0; slot < SLOTS; slot++) this.#close(slot);
    this.#cache.shrink(100, 0);
  }
}
