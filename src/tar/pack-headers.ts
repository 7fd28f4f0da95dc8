import {
  WHITEOUT,
  WHITEOUT_PREFIX,
  type LayerDir,
  type LayerNode,
  type SpecialNode,
} from '../layer/types.js';
import type { ByteName } from '../util/byte-name.js';
import { BLOCK, encodeHeader, fieldsTooBig, fitsLinkname, splitPath, TYPE } from './header.js';
import { OPAQUE_MARKER } from './layer-tree.js';
import { encodePax, formatPaxTime, XATTR_PREFIX } from './pax.js';

/** A regular file of a layer. */
export type FileNode = LayerNode & { readonly kind: 'file' };

/** Part of an archive: header blocks, and the file whose padded contents follow them. */
export interface TarPart {
  readonly head: Buffer;
  readonly file: FileNode | undefined;
}

/** How to write an archive. */
export interface PackHeaderOptions {
  /** Later times become this one (SOURCE_DATE_EPOCH), in seconds. */
  readonly clampMtime?: number;
  /**
   * Told of every socket: tar has no type for them, and they are left out. Where one stands in
   * place of something in the layers below, there is a whiteout.
   */
  readonly onSkipped?: (path: ByteName) => void;
}

const S_IFMT = 0o170000;
const S_IFCHR = 0o020000;
const S_IFBLK = 0o060000;
const S_IFIFO = 0o010000;

/** PAX headers carry a name of their own, which readers only see if they do not know them. */
const PAX_NAME = 'PaxHeaders.0/';
const PAX_NAME_BYTES_MAX = 100;

interface HeaderFields {
  readonly path: ByteName;
  readonly typeflag: string;
  readonly linkname?: ByteName;
  readonly size?: number;
}

const WHITEOUT_META: SpecialNode = {
  kind: 'special',
  mode: 0o600,
  uid: 0,
  gid: 0,
  mtimeSec: 0,
  mtimeNsec: 0,
  rdevMajor: 0,
  rdevMinor: 0,
  xattrs: undefined,
};

/** Blocks of a PAX header before an entry. */
function paxBlocks(path: ByteName, records: ReadonlyMap<string, Buffer>): Buffer {
  const bytes = encodePax(records);
  const base = path.replace(/\/+$/, '').split('/').pop() ?? '';
  const name = (PAX_NAME + base).slice(0, PAX_NAME_BYTES_MAX) as ByteName;
  const blank = { linkname: '' as ByteName, uid: 0, gid: 0, devmajor: 0, devminor: 0 };
  const header = encodeHeader({
    ...blank,
    name,
    typeflag: TYPE.paxHeader,
    mode: 0o644,
    size: bytes.length,
    mtime: 0,
  });
  const out = Buffer.alloc(BLOCK + Math.ceil(bytes.length / BLOCK) * BLOCK);
  header.copy(out);
  bytes.copy(out, BLOCK);
  return out;
}

/** GNU tar's escapes: a keyword cannot contain `=`. */
function xattrKeyword(name: ByteName): string {
  return XATTR_PREFIX + name.replaceAll('%', '%25').replaceAll('=', '%3D');
}

function latin1(value: string): Buffer {
  return Buffer.from(value, 'latin1');
}

/** The header blocks of one entry: PAX only for what a ustar header cannot say. */
function entryHead(
  node: LayerNode,
  { path, typeflag, linkname = '' as ByteName, size = 0 }: HeaderFields,
  clampMtime: number | undefined,
): Buffer {
  const clamp =
    clampMtime !== undefined &&
    (node.mtimeSec > clampMtime || (node.mtimeSec === clampMtime && node.mtimeNsec > 0));
  const mtime = clamp ? clampMtime : node.mtimeSec;
  const nsec = clamp ? 0 : node.mtimeNsec;
  const fields = { uid: node.uid, gid: node.gid, size, mtime };
  const records = new Map<string, Buffer>();
  if (splitPath(path) === undefined) records.set('path', latin1(path));
  if (!fitsLinkname(linkname)) records.set('linkpath', latin1(linkname));
  for (const field of fieldsTooBig(fields)) records.set(field, latin1(String(fields[field])));
  if (nsec !== 0 || mtime < 0) {
    records.set('mtime', latin1(formatPaxTime(mtime, nsec)));
  }
  // A hard link is the file again: its xattrs were said with its first name.
  const xattrs = typeflag === TYPE.link ? undefined : node.xattrs;
  for (const [name, value] of xattrs ?? []) records.set(xattrKeyword(name), value);
  const header = encodeHeader({
    ...fields,
    name: path,
    linkname,
    typeflag,
    mode: node.mode & 0o7777,
    devmajor: node.rdevMajor,
    devminor: node.rdevMinor,
  });
  return records.size === 0 ? header : Buffer.concat([paxBlocks(path, records), header]);
}

function specialType(mode: number): string | undefined {
  switch (mode & S_IFMT) {
    case S_IFCHR:
      return TYPE.character;
    case S_IFBLK:
      return TYPE.block;
    case S_IFIFO:
      return TYPE.fifo;
    default:
      return undefined;
  }
}

/** Whether the archive hides what the layers below have under a name, and has nothing there. */
function isLackOf(node: LayerNode): boolean {
  return node.kind === 'special' && node.replaces === true && specialType(node.mode) === undefined;
}

/** The parts of an archive, depth first; a directory before what is in it. */
class PartWriter {
  readonly #options: PackHeaderOptions;
  /** The first name of every inode that is no directory. */
  readonly #names = new Map<LayerNode, ByteName>();

  constructor(options: PackHeaderOptions) {
    this.#options = options;
  }

  *dir(dir: LayerDir, path: ByteName): Generator<TarPart> {
    const shown = (path === '' ? './' : `${path}/`) as ByteName;
    if (dir.implied !== true) yield this.#part(dir, { path: shown, typeflag: TYPE.directory });
    const prefix = path === '' ? '' : `${path}/`;
    if (dir.opaque) yield this.#whiteout(prefix + OPAQUE_MARKER);
    const entries = [...dir.entries].sort(([a], [b]) => (a < b ? -1 : 1));
    for (const [name, child] of entries) {
      if (child === WHITEOUT || isLackOf(child))
        yield this.#whiteout(prefix + WHITEOUT_PREFIX + name);
    }
    for (const [name, child] of entries) {
      if (child === WHITEOUT) continue;
      const childPath = (prefix + name) as ByteName;
      if (child.kind === 'dir') yield* this.dir(child, childPath);
      else yield* this.#leaf(child, childPath);
    }
  }

  *#leaf(node: Exclude<LayerNode, LayerDir>, path: ByteName): Generator<TarPart> {
    const first = this.#names.get(node);
    if (first !== undefined) {
      yield this.#part(node, { path, typeflag: TYPE.link, linkname: first });
      return;
    }
    switch (node.kind) {
      case 'file': {
        const { head } = this.#part(node, { path, typeflag: TYPE.regular, size: node.size });
        yield { head, file: node.size === 0 ? undefined : node };
        break;
      }
      case 'symlink':
        yield this.#part(node, { path, typeflag: TYPE.symlink, linkname: node.target });
        break;
      case 'special': {
        const typeflag = specialType(node.mode);
        if (typeflag === undefined) {
          this.#options.onSkipped?.(path);
          return;
        }
        yield this.#part(node, { path, typeflag });
      }
    }
    this.#names.set(node, path);
  }

  #part(node: LayerNode, fields: HeaderFields): TarPart {
    return { head: entryHead(node, fields, this.#options.clampMtime), file: undefined };
  }

  #whiteout(path: string): TarPart {
    return this.#part(WHITEOUT_META, { path: path as ByteName, typeflag: TYPE.regular });
  }
}

/**
 * The headers of a layer's archive, in its order: directories before their children, names by
 * their bytes, whiteouts first within a directory, the first name of an inode as the file and the
 * others as hard links; implied directories have none. The same tree gives the same bytes.
 */
export function packHeaders(root: LayerDir, options: PackHeaderOptions): Generator<TarPart> {
  return new PartWriter(options).dir(root, '' as ByteName);
}
