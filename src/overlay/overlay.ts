import path from 'node:path';

import type { StatFs } from '../fuse/filesystem.js';
import { LayerSet, type LayerDirOf } from '../layer/layer-reader.js';
import { LayerWriter } from '../layer/layer-writer.js';
import type { LayerId } from '../layer/types.js';
import { NAME_MAX } from '../sys/constants.js';
import { FsError } from '../sys/errno.js';
import { statfs } from '../sys/stat.js';
import type { Clock } from './clock.js';
import { commitTree, type CommitOptions, type CommitResult } from './commit.js';
import { Contents } from './contents.js';
import { IndexedLower } from './indexed-lower.js';
import type { LowerLayer } from './lower.js';
import { PlainLower, type PlainView } from './plain-lower.js';
import { addSynthetic, type Synthetic } from './synthetic.js';
import { Tree } from './tree.js';

/** One lower layer: of the store, or a directory as it is. */
export type Lower =
  | { readonly kind: 'indexed'; readonly id: LayerId }
  | { readonly kind: 'plain'; readonly dir: string };

/** What an overlay is opened with. */
export interface OverlayOptions {
  /** Base first. */
  readonly lowers: readonly Lower[];
  readonly layerDirOf: LayerDirOf;
  /** Where the new layer is made (absent or empty); undefined: read-only. */
  readonly upperdir: string | undefined;
  readonly synthetic?: readonly Synthetic[] | undefined;
  readonly clock?: Clock | undefined;
  /** Changes what is loaded from plain layers. */
  readonly plainView?: PlainView | undefined;
  /** Limit of contents in memory. */
  readonly memoryBytesMax?: number;
}

/**
 * Lower layers with a copy-on-write tree above them. `commit` turns `upperdir` into a complete
 * layer directory that holds the changes; disposing without a commit removes it.
 */
export class Overlay implements Disposable {
  readonly tree: Tree;
  readonly #layers: LayerSet;
  readonly #writer: LayerWriter | undefined;
  readonly #statfsDir: string;

  private constructor(options: OverlayOptions) {
    const {
      lowers,
      layerDirOf,
      upperdir,
      clock,
      memoryBytesMax,
      synthetic = [],
      plainView,
    } = options;
    this.#layers = new LayerSet(layerDirOf);
    const layers: LowerLayer[] = [];
    for (const lower of lowers) {
      const below = [...layers];
      layers.push(
        lower.kind === 'indexed'
          ? new IndexedLower(below.length, this.#layers.open(lower.id))
          : new PlainLower({ position: below.length, dir: lower.dir, below, view: plainView }),
      );
    }
    this.#writer = upperdir === undefined ? undefined : LayerWriter.create(upperdir);
    this.#statfsDir = upperdir ?? path.sep;
    const contents = new Contents({
      layers: this.#layers,
      writer: this.#writer,
      ...(memoryBytesMax !== undefined && { memoryBytesMax }),
    });
    this.tree = new Tree({ layers, contents, readOnly: upperdir === undefined, clock });
    try {
      for (const each of synthetic) addSynthetic(this.tree, each);
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /** Opens the lower layers (an index is read as a whole, once) and makes `upperdir`. */
  static open(options: OverlayOptions): Overlay {
    return new Overlay(options);
  }

  /** Writes the layer. Nothing can be changed afterwards; reading goes on. */
  commit(options: CommitOptions = {}): CommitResult {
    if (this.#writer === undefined) throw new FsError('EROFS', 'commit');
    this.tree.assertWritable('commit');
    const result = commitTree(this.tree, this.#writer, options);
    this.tree.freeze();
    return result;
  }

  /** Like {@link commit}, but waits for the disk in a thread, so that this one can go on. */
  async commitInThread(options: CommitOptions = {}): Promise<CommitResult> {
    const result = this.commit({ ...options, sync: false });
    await this.#writer?.syncInThread();
    return result;
  }

  /** The space of the file system that the new layer is written to. */
  statfs(): StatFs {
    const { bsize, blocks, bfree, bavail, files, ffree } = statfs(this.#statfsDir);
    return { bsize, blocks, bfree, bavail, files, ffree, namelen: NAME_MAX };
  }

  [Symbol.dispose](): void {
    this.tree[Symbol.dispose]();
    this.#writer?.[Symbol.dispose]();
    this.#layers[Symbol.dispose]();
  }
}
