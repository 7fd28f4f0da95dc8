import fs from 'node:fs';
import path from 'node:path';
import type { Fd } from '../sys/fd.js';
import { flock } from '../sys/file.js';
import type { Descriptor } from '../oci/descriptor.js';
import { hasCode, messageOf, UserError } from '../util/errors.js';
import { findFileText, writeFileAtomic } from './atomic-file.js';
import { BlobStore } from './blobs.js';
import { CacheMountStore } from './cache-mounts.js';
import { CacheRecords } from './cache-records.js';
import { collect, type PruneOptions, type PruneReport } from './collect.js';
import { ImageStore, type ImageRecord } from './images.js';
import { LayerBlobs } from './layer-blobs.js';
import { LayerStore } from './layers.js';
import { acquireLock, lockFd, type WaitOptions } from './lock.js';
import { explainNoSpace } from './no-space.js';
import { storePaths, type StorePaths } from './paths.js';
import { loadImage, type StoredImage } from './stored-image.js';
import { WorkArea, type WorkDir } from './work.js';

/** Of the whole layout. Another one is refused. */
export const STORE_VERSION = 2;

const PRUNING = 'another tsbuild prunes the store';
const IN_USE = 'other tsbuild commands use the store';

/**
 * The local store. Several processes share it: each holds a shared lock while it has the store
 * open, pruning holds it exclusively. Disposing it removes its work directories.
 */
export class Store implements AsyncDisposable, Disposable {
  readonly root: string;
  readonly blobs: BlobStore;
  readonly layers: LayerStore;
  readonly layerBlobs: LayerBlobs;
  readonly images: ImageStore;
  readonly cacheRecords: CacheRecords;
  readonly cacheMounts: CacheMountStore;
  readonly #paths: StorePaths;
  readonly #area: WorkArea;
  readonly #lock: Fd;
  readonly #workDirs = new Set<WorkDir>();
  #temporaries: WorkDir | undefined;
  #temporaryCount = 0;

  private constructor(paths: StorePaths, area: WorkArea, lock: Fd) {
    this.root = paths.root;
    this.#paths = paths;
    this.#area = area;
    this.#lock = lock;
    const temporaryPath = (): string => this.temporaryPath();
    this.blobs = new BlobStore(paths.blobs, temporaryPath);
    this.layers = new LayerStore(paths, area);
    this.layerBlobs = new LayerBlobs(this.blobs, this.layers, temporaryPath);
    this.images = new ImageStore(paths.images);
    this.cacheRecords = new CacheRecords(paths.cache);
    this.cacheMounts = new CacheMountStore(paths.cacheMounts);
  }

  /**
   * Opens the store at `root`, made if absent, and removes what dead processes left in it. Throws
   * TSB_STORE for another version or a directory that cannot be used, TSB_NO_SPACE.
   */
  static async open(root: string, options: WaitOptions = {}): Promise<Store> {
    const paths = storePaths(path.resolve(root));
    makeLayout(paths);
    const file = path.join(paths.locks, 'store');
    const lock = await acquireLock(file, 'shared', PRUNING, options);
    try {
      checkVersion(paths);
      const area = new WorkArea(paths.work);
      area.removeStale();
      return new Store(paths, area, lock);
    } catch (error) {
      lock[Symbol.dispose]();
      throw explainNoSpace(error, paths.root);
    }
  }

  /** Directories for things in the making; see {@link WorkDir}. */
  readonly work = {
    create: (): WorkDir => {
      const work = this.#area.create();
      this.#workDirs.add(work);
      return work;
    },
  } as const;

  /** A fresh path on the store's file system; a file there is removed with the store's disposal. */
  temporaryPath(): string {
    this.#temporaries ??= this.work.create();
    return path.join(this.#temporaries.path, String(this.#temporaryCount++));
  }

  /** Reads an image's manifest and config. */
  loadImage(record: ImageRecord): Promise<StoredImage> {
    return loadImage(this.blobs, record);
  }

  /** Streams a layer's blob, stored or virtual. */
  openLayerBlob(
    descriptor: Pick<Descriptor, 'digest' | 'size'>,
    signal?: AbortSignal,
  ): AsyncIterable<Buffer> {
    return this.layerBlobs.open(descriptor, signal);
  }

  /**
   * Removes what neither an image nor a recent cache record needs. Waits until nobody else has
   * the store open.
   */
  async prune(options: PruneOptions & WaitOptions = {}): Promise<PruneReport> {
    try {
      await lockFd(this.#lock, 'exclusive', IN_USE, options);
      this.#area.removeStale();
      return await collect(this, this.#paths, options);
    } finally {
      // Changing flock's kind gives the lock up for a moment, also when it fails.
      flock(this.#lock, 'shared', { wait: true });
    }
  }

  [Symbol.dispose](): void {
    for (const work of this.#workDirs) work[Symbol.dispose]();
    this.#workDirs.clear();
    this.#temporaries = undefined;
    this.#lock[Symbol.dispose]();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this[Symbol.dispose]();
    return Promise.resolve();
  }
}

/** Node's own recursive mkdir never returns where mkdir says ENOENT for ever, as in /proc. */
function makeDirectory(dir: string): void {
  if (fs.existsSync(dir)) return;
  makeDirectory(path.dirname(dir));
  try {
    fs.mkdirSync(dir, { mode: 0o700 });
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error;
  }
}

function makeLayout(paths: StorePaths): void {
  const { version, ...dirs } = paths;
  try {
    for (const dir of Object.values(dirs)) makeDirectory(dir);
    fs.accessSync(paths.root, fs.constants.W_OK);
    if (!fs.existsSync(version)) {
      writeFileAtomic(paths.root, path.basename(version), `${STORE_VERSION}\n`);
    }
  } catch (error) {
    const explained = explainNoSpace(error, paths.root);
    if (!hasCode(explained, 'EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'EEXIST', 'ENOENT'))
      throw explained;
    throw new UserError('TSB_STORE', `Cannot open the store '${paths.root}': ${messageOf(error)}`, {
      hint: 'set TSBUILD_ROOT to a directory of your own',
      cause: error,
    });
  }
}

function checkVersion(paths: StorePaths): void {
  const found = (findFileText(paths.version) ?? '').trim();
  if (found === String(STORE_VERSION)) return;
  throw new UserError(
    'TSB_STORE',
    `Cannot open the store '${paths.root}': found version ${JSON.stringify(found)}, want ${STORE_VERSION}`,
    { hint: 'use the tsbuild that made it, or set TSBUILD_ROOT to another directory' },
  );
}
