import type { ByteName } from '../util/byte-name.js';

/**
 * The name of a layer directory in the store: 32 lower-case hex digits, random. A layer has one
 * before its diffId is known.
 */
export type LayerId = string & { readonly __brand: 'LayerId' };

/**
 * Where the bytes of a regular file lie. `layer` undefined: in the layer whose index says so.
 * `pack`: from `offset` in the layer's `pack` file; `file`: the whole of `data/<number>`.
 * An empty file has no content.
 */
export type ContentRef =
  | { readonly kind: 'pack'; readonly layer: LayerId | undefined; readonly offset: number }
  | { readonly kind: 'file'; readonly layer: LayerId | undefined; readonly number: number };

/** Extended attributes by name. Never empty: a node without any has `undefined`. */
export type Xattrs = ReadonlyMap<ByteName, Buffer>;

/** Metadata of one inode of a layer. */
export interface InodeMeta {
  /** st_mode: type and permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since 1970, may be negative, and nanoseconds. */
  readonly mtimeSec: number;
  readonly mtimeNsec: number;
  /** Of character and block devices, else 0. */
  readonly rdevMajor: number;
  readonly rdevMinor: number;
  readonly xattrs: Xattrs | undefined;
}

/**
 * One inode of a layer. Two directory entries that hold the same object are hard links.
 * A directory that is in the layer only because something below it changed carries the
 * metadata of the merged directory.
 */
export type LayerNode =
  | (InodeMeta & {
      readonly kind: 'file';
      readonly size: number;
      readonly content: ContentRef | undefined;
    })
  | (InodeMeta & { readonly kind: 'symlink'; readonly target: ByteName })
  | SpecialNode
  | LayerDir;

/**
 * A device, fifo or socket. `replaces`: a socket stands where the layers below have something;
 * who leaves sockets out (archives do) has a whiteout there.
 */
export type SpecialNode = InodeMeta & { readonly kind: 'special'; readonly replaces?: true };

/**
 * A directory of a layer. `opaque`: hides what lower layers have in it. `implied`: the layer has
 * something in it, but says nothing of the directory itself, so that the metadata is that of the
 * layers below; what is here counts where none of them says anything.
 */
export type LayerDir = InodeMeta & {
  readonly kind: 'dir';
  readonly opaque: boolean;
  readonly implied?: true;
  readonly entries: ReadonlyMap<ByteName, LayerNode | typeof WHITEOUT>;
};

/** A name that a layer removes from the layers below. */
export const WHITEOUT: unique symbol = Symbol('whiteout');

/** In an archive a name that begins so says that the rest of it is removed. Source: OCI image-spec, layer.md. */
export const WHITEOUT_PREFIX = '.wh.';

/** Components of the longest path in a layer: whoever walks its tree may recurse. */
export const LAYER_DEPTH_MAX = 1000;
