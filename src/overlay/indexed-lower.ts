import type { LayerIndex } from '../layer/index-codec.js';
import type { LayerReader } from '../layer/layer-reader.js';
import { WHITEOUT, type LayerId } from '../layer/types.js';
import { S_IFLNK, S_IFREG } from '../sys/constants.js';
import { encodeDev } from '../sys/device-number.js';
import type { ByteName } from '../util/byte-name.js';
import type { Handle, LowerLayer, Peeked } from './lower.js';
import { typeOf, type Node } from './node.js';

/** A layer of the store, read through its index: handles are rows. */
export class IndexedLower implements LowerLayer {
  readonly position: number;
  readonly count: number;
  readonly #id: LayerId;
  readonly #index: LayerIndex;

  constructor(position: number, reader: LayerReader) {
    this.position = position;
    this.#id = reader.id;
    this.#index = reader.index;
    this.count = reader.index.inodeCount;
  }

  mode(handle: Handle): number {
    return this.#index.mode(handle);
  }

  opaque(dir: Handle): boolean {
    return this.#index.opaque(dir);
  }

  implied(dir: Handle): boolean {
    return this.#index.implied(dir);
  }

  child(dir: Handle, name: ByteName): Handle | typeof WHITEOUT | undefined {
    return this.#index.child(dir, name);
  }

  peek(dir: Handle, name: ByteName): Peeked | typeof WHITEOUT | undefined {
    const child = this.#index.child(dir, name);
    if (child === undefined || child === WHITEOUT) return child;
    return { handle: child, mode: this.#index.mode(child) };
  }

  children(dir: Handle): Iterable<[ByteName, Handle | typeof WHITEOUT]> {
    return this.#index.children(dir);
  }

  size(dir: Handle): number {
    return this.#index.childCount(dir);
  }

  nameHashes(dir: Handle): Uint32Array {
    return this.#index.nameHashes(dir);
  }

  childDirs(dir: Handle): Iterable<[ByteName, Handle]> {
    return this.#index.childDirs(dir);
  }

  subdirs(dir: Handle): number {
    return this.#index.nlink(dir) - 2;
  }

  nlink(handle: Handle): number {
    return this.#index.nlink(handle);
  }

  pathsOf(handles: ReadonlySet<Handle>): readonly (readonly ByteName[])[] {
    return this.#index.pathsOf(handles);
  }

  load(handle: Handle, node: Node): void {
    const index = this.#index;
    node.mode = index.mode(handle);
    node.uid = index.uid(handle);
    node.gid = index.gid(handle);
    node.rdev = encodeDev(index.rdevMajor(handle), index.rdevMinor(handle));
    node.mtimeSec = node.atimeSec = node.ctimeSec = index.mtimeSec(handle);
    node.mtimeNsec = node.atimeNsec = node.ctimeNsec = index.mtimeNsec(handle);
    node.xattrs = index.xattrs(handle);
    const type = typeOf(node.mode);
    if (type === S_IFREG) {
      const ref = index.content(handle);
      node.content = ref && { kind: 'ref', layer: ref.layer ?? this.#id, ref };
      node.size = ref === undefined ? 0 : index.size(handle);
    } else if (type === S_IFLNK) {
      node.target = index.target(handle);
      node.size = node.target.length;
    }
  }

  /** The known digest of a file's content. */
  digest(handle: Handle): Buffer | undefined {
    return this.#index.digest(handle);
  }
}
