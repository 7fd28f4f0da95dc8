import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';

import type { Attr, Caller, Entry } from '../fuse/filesystem.js';
import { readTree } from '../layer/read-tree.js';
import { LayerReader } from '../layer/layer-reader.js';
import type { LayerDir, LayerId } from '../layer/types.js';
import { ImageTree } from '../overlay/image-tree.js';
import { OverlayFileSystem } from '../overlay/overlay-filesystem.js';
import { Overlay, type OverlayOptions } from '../overlay/overlay.js';
import { S_IFDIR, S_IFREG, direntType } from '../sys/constants.js';
import { FsError } from '../sys/errno.js';
import { byteName, byteNameOf, type ByteName } from '../util/byte-name.js';

/** Root, as who asks. */
export const CALLER: Caller = { uid: 0, gid: 0, pid: 1 };

/** A directory of layers that is removed after the test. */
export class LayerFixture {
  readonly root: string;

  constructor(t: TestContext) {
    this.root = fs.mkdtempSync(path.join(os.tmpdir(), 'tsbuild-overlay-'));
    t.after(() => fs.rmSync(this.root, { recursive: true, force: true }));
  }

  readonly dirOf = (id: LayerId): string => path.join(this.root, id);

  newId(): LayerId {
    return randomBytes(16).toString('hex') as LayerId;
  }

  /** An overlay of layers (base first); `upper` undefined is read-only. */
  open(
    lowers: readonly LayerId[],
    upper?: LayerId,
    options: Partial<OverlayOptions> = {},
  ): Overlay {
    return Overlay.open({
      lowers: lowers.map((id) => ({ kind: 'indexed', id })),
      layerDirOf: this.dirOf,
      upperdir: upper === undefined ? undefined : this.dirOf(upper),
      ...options,
    });
  }

  /** A layer on top of `lowers` that has what `change` does. */
  step(
    lowers: readonly LayerId[],
    change: (shell: Shell, overlay: Overlay) => void,
    options: Partial<OverlayOptions> = {},
  ): LayerId {
    const id = this.newId();
    using overlay = this.open(lowers, id, options);
    change(new Shell(new OverlayFileSystem(overlay)), overlay);
    overlay.commit();
    return id;
  }

  /** The tree of a layer by itself. */
  read(id: LayerId): LayerDir {
    using reader = LayerReader.open(this.dirOf(id), id);
    return readTree(reader.index);
  }

  /** What the merged layers show. */
  async show(lowers: readonly LayerId[]): Promise<string[]> {
    using overlay = this.open(lowers);
    return await describeTree(new ImageTree(overlay));
  }
}

/** One line per name: path, type and mode, owner, size, mtime, link group, content or target. */
export async function describeTree(tree: ImageTree): Promise<string[]> {
  const lines: string[] = [];
  const groups = new Map<number, string>();
  const visit = async (node: ReturnType<typeof tree.resolve>, at: string): Promise<void> => {
    if (node === undefined) return;
    const { mode, uid, gid, size, mtimeSec, mtimeNsec, rdev } = tree.stat(node);
    const group = groups.get(node.ino) ?? at;
    groups.set(node.ino, group);
    const type = direntType(mode);
    const body = type === direntType(S_IFREG) ? await tree.contentDigest(node) : `->${node.target}`;
    const xattrs = [...(tree.xattrs(node) ?? [])].map(([k, v]) => `${k}=${v.toString('hex')}`);
    const meta = `${mode.toString(8)} ${uid}:${gid} ${rdev} ${mtimeSec}.${mtimeNsec}`;
    lines.push(`${at || '/'} ${meta} ${size} ${body} =${group} ${xattrs.sort().join(',')}`);
    if (!node.isDir) return;
    for (const [name, child] of tree.children(node)) await visit(child, `${at}/${name}`);
  };
  await visit(tree.resolve(byteNameOf('/'), { followLast: true }), '');
  return lines;
}

/** The mode of a socket, in a line that describes one. */
const SOCKET = / 14\d{4} \d+:\d+ /;

/** What archives have of a tree, as `describeTree` gives it: sockets are in layers alone. */
export function withoutSockets(lines: readonly string[]): string[] {
  return lines.filter((line) => !SOCKET.test(line));
}

/** An overlay's file system, or what stands for it. */
export type OverlayOperations = Pick<OverlayFileSystem, keyof OverlayFileSystem>;

/** Nodes that a shell found and still refers to: more than one operation needs. */
const HELD_MAX = 16;

/**
 * The operations of a file system by path, synchronously; symlinks are not followed. Forgets what
 * it has found a few operations later, as a kernel with little memory does.
 */
export class Shell {
  readonly fs: OverlayOperations;
  readonly #held: number[] = [];

  constructor(fileSystem: OverlayOperations) {
    this.fs = fileSystem;
  }

  #split(file: string): { parent: number; name: ByteName } {
    const dir = path.posix.dirname(file);
    return { parent: this.id(dir), name: byteNameOf(path.posix.basename(file)) };
  }

  find(file: string): Entry | undefined {
    let at: Entry = { nodeid: 1, attr: this.fs.getattr(1) };
    for (const name of file.split('/').filter((each) => each !== '' && each !== '.')) {
      const next = this.fs.lookup(at.nodeid, byteNameOf(name));
      if (at.nodeid !== 1) this.fs.forget(at.nodeid, 1);
      if (next === undefined) return undefined;
      at = next;
    }
    if (at.nodeid !== 1) this.#held.push(at.nodeid);
    if (this.#held.length > HELD_MAX) this.fs.forget(this.#held.shift() ?? 1, 1);
    return at;
  }

  id(file: string): number {
    const found = this.find(file);
    if (found === undefined) throw new FsError('ENOENT', 'lookup', file);
    return found.nodeid;
  }

  stat(file: string): Attr {
    return { ...this.#attr(this.fs.getattr(this.id(file))) };
  }

  #attr(attr: Attr): Attr {
    const { ino, size, blocks, mode, nlink, uid, gid, rdev, blksize } = attr;
    const { atimeSec, atimeNsec, mtimeSec, mtimeNsec, ctimeSec, ctimeNsec } = attr;
    const times = { atimeSec, atimeNsec, mtimeSec, mtimeNsec, ctimeSec, ctimeNsec };
    return { ino, size, blocks, mode, nlink, uid, gid, rdev, blksize, ...times };
  }

  exists(file: string): boolean {
    return this.find(file) !== undefined;
  }

  mkdir(file: string, mode = 0o755): number {
    const make = { ...this.#split(file), mode: S_IFDIR | mode, rdev: 0 };
    return this.fs.mkdir(make, CALLER).nodeid;
  }

  mknod(file: string, mode: number, rdev = 0): number {
    return this.fs.mknod({ ...this.#split(file), mode, rdev }, CALLER).nodeid;
  }

  /** Makes or overwrites a file. */
  write(file: string, text: string | Buffer, mode = 0o644): void {
    const make = { ...this.#split(file), mode: S_IFREG | mode, rdev: 0 };
    const nodeid = this.find(file)?.nodeid ?? this.fs.create(make, 0, CALLER).nodeid;
    this.fs.setattr(nodeid, { size: 0, killSuidgid: false }, CALLER);
    this.pwrite(file, text, 0);
  }

  pwrite(file: string, text: string | Buffer, offset: number): void {
    const data = Buffer.from(text);
    this.fs.write({ nodeid: this.id(file), fh: 0, offset, data, killSuidgid: false });
  }

  read(file: string): string {
    return this.readNode(this.id(file)).toString();
  }

  readNode(nodeid: number): Buffer {
    const into = Buffer.alloc(this.fs.getattr(nodeid).size);
    return into.subarray(0, this.fs.read({ nodeid, fh: 0, offset: 0 }, into));
  }

  chmod(file: string, mode: number): void {
    this.fs.setattr(this.id(file), { mode, killSuidgid: false }, CALLER);
  }

  chown(file: string, uid: number, gid: number): void {
    this.fs.setattr(this.id(file), { uid, gid, killSuidgid: true }, CALLER);
  }

  utimes(file: string, sec: number, nsec = 0): void {
    this.fs.setattr(this.id(file), { mtime: { sec, nsec }, killSuidgid: false }, CALLER);
  }

  setxattr(file: string, name: string, value: string): void {
    const change = { name: byteNameOf(name), value: Buffer.from(value), flags: 0, killSgid: false };
    this.fs.setxattr({ nodeid: this.id(file), ...change });
  }

  symlink(target: string, file: string): void {
    const { parent, name } = this.#split(file);
    this.fs.symlink(parent, name, Buffer.from(target), CALLER);
  }

  ln(from: string, to: string): void {
    const { parent, name } = this.#split(to);
    this.fs.link(this.id(from), parent, name);
  }

  mv(from: string, to: string, flags = 0): void {
    const a = this.#split(from);
    const b = this.#split(to);
    this.fs.rename({ ...a, newParent: b.parent, newName: b.name, flags });
  }

  rm(file: string): void {
    const { parent, name } = this.#split(file);
    this.fs.unlink(parent, name);
  }

  rmdir(file: string): void {
    const { parent, name } = this.#split(file);
    this.fs.rmdir(parent, name);
  }

  rmRf(file: string): void {
    const found = this.find(file);
    if (found === undefined) return;
    if (direntType(found.attr.mode) !== direntType(S_IFDIR)) {
      this.rm(file);
      return;
    }
    for (const name of this.ls(file)) this.rmRf(`${file}/${name}`);
    this.rmdir(file);
  }

  /** Names without `.` and `..`, in the order of the listing. */
  ls(file: string): string[] {
    const names: string[] = [];
    this.fs.readdir(this.id(file), 0, 0, {
      plus: false,
      add: ({ name }) => {
        if (name !== '.' && name !== '..') names.push(Buffer.from(name, 'latin1').toString());
        return true;
      },
    });
    return names;
  }
}

/** Bytes as a name, for names that are not UTF-8. */
export function rawName(...bytes: number[]): ByteName {
  return byteName(Buffer.from(bytes));
}
