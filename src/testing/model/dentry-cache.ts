import type { Entry } from '../../fuse/filesystem.js';
import type { ByteName } from '../../util/byte-name.js';
import { Random } from '../random.js';

/** A name as the kernel remembers it. */
export class Dentry {
  parent: Dentry | undefined;
  name: ByteName;
  /** Undefined: it is known not to exist. */
  readonly nodeid: number | undefined;
  /** Names below, and open files: it cannot be dropped while there are any. */
  uses = 0;
  /** Found by its name. */
  hashed = true;
  readonly children: Map<ByteName, Dentry> = new Map<ByteName, Dentry>();

  constructor(parent: Dentry | undefined, name: ByteName, nodeid: number | undefined) {
    this.parent = parent;
    this.name = name;
    this.nodeid = nodeid;
    if (parent === undefined) return;
    parent.uses += 1;
    parent.children.set(name, this);
  }
}

interface Inode {
  nlookup: number;
  names: number;
}

/** What the cache needs of a file system. */
export interface Forgetful {
  forget(nodeid: number, nlookup: number): void;
}

/**
 * The kernel's cache of names, as far as a file system can notice it: when it asks, and what it
 * forgets in which order (never a directory before what is in it).
 */
export class DentryCache {
  readonly root: Dentry = new Dentry(undefined, '' as ByteName, 1);
  readonly #fs: Forgetful;
  readonly #inodes = new Map<number, Inode>();

  constructor(fs: Forgetful) {
    this.#fs = fs;
    this.root.uses = 1;
  }

  /** A reply that counts as a lookup. */
  #count(nodeid: number): Inode {
    let inode = this.#inodes.get(nodeid);
    if (inode === undefined) this.#inodes.set(nodeid, (inode = { nlookup: 0, names: 0 }));
    inode.nlookup += 1;
    return inode;
  }

  /** The server said what a name is. */
  enter(parent: Dentry, name: ByteName, entry: Entry | undefined): Dentry {
    const known = parent.children.get(name);
    if (entry !== undefined) this.#count(entry.nodeid);
    if (known !== undefined) {
      if (known.nodeid === entry?.nodeid) return known;
      this.#unhash(known);
    }
    const dentry = new Dentry(parent, name, entry?.nodeid);
    const inode = entry && this.#inodes.get(entry.nodeid);
    if (inode !== undefined) inode.names += 1;
    return dentry;
  }

  /** An unnamed file of the server: a name that is found nowhere. */
  enterUnnamed(parent: Dentry, entry: Entry): Dentry {
    const dentry = this.enter(parent, '#' as ByteName, entry);
    this.#unhash(dentry);
    return dentry;
  }

  /** A name was removed. */
  removed(dentry: Dentry): void {
    const { parent, name } = dentry;
    this.#unhash(dentry);
    if (parent !== undefined) new Dentry(parent, name, undefined);
    this.#drop(dentry);
  }

  /** A name became another. */
  moved(dentry: Dentry, parent: Dentry, name: ByteName): void {
    const target = parent.children.get(name);
    if (target !== undefined) {
      this.#unhash(target);
      this.#drop(target);
    }
    const { parent: oldParent } = dentry;
    oldParent?.children.delete(dentry.name);
    dentry.parent = parent;
    dentry.name = name;
    parent.uses += 1;
    parent.children.set(name, dentry);
    if (oldParent !== undefined) this.#unuse(oldParent);
  }

  /** Two names became each other. */
  exchanged(a: Dentry, b: Dentry): void {
    const [parentA, nameA, parentB, nameB] = [a.parent, a.name, b.parent, b.name];
    [a.parent, a.name, b.parent, b.name] = [parentB, nameB, parentA, nameA];
    parentA?.children.set(nameA, b);
    parentB?.children.set(nameB, a);
  }

  /** Takes a name out of its directory; it goes for good when nobody uses it. */
  #unhash(dentry: Dentry): void {
    if (!dentry.hashed) return;
    dentry.hashed = false;
    if (dentry.parent?.children.get(dentry.name) === dentry) {
      dentry.parent.children.delete(dentry.name);
    }
  }

  use(dentry: Dentry): Dentry {
    dentry.uses += 1;
    return dentry;
  }

  /** An open file was closed. */
  release(dentry: Dentry): void {
    this.#unuse(dentry);
  }

  #unuse(dentry: Dentry): void {
    dentry.uses -= 1;
    if (!dentry.hashed) this.#drop(dentry);
  }

  /** Lets go of a name that nobody uses. */
  #drop(dentry: Dentry): void {
    if (dentry.uses > 0 || dentry.parent === undefined) return;
    this.#unhash(dentry);
    const { parent, nodeid } = dentry;
    dentry.parent = undefined;
    if (nodeid !== undefined) this.#dropName(nodeid);
    this.#unuse(parent);
  }

  #dropName(nodeid: number): void {
    const inode = this.#inodes.get(nodeid);
    if (inode === undefined) return;
    inode.names -= 1;
    if (inode.names > 0) return;
    this.#inodes.delete(nodeid);
    this.#fs.forget(nodeid, inode.nlookup);
  }

  /** Drops names that nobody uses, each with a chance. */
  shrink(percent: number, seed: number): void {
    const random = new Random(seed);
    const visit = (dentry: Dentry): void => {
      for (const child of [...dentry.children.values()]) visit(child);
      if (random.chance(percent)) this.#drop(dentry);
    };
    visit(this.root);
  }
}
