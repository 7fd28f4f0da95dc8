import { mkdirSync } from 'node:fs';
import path from 'node:path';
import type { LayerId } from '../layer/types.js';
import type { MountPoint } from '../exec/run-spec.js';
import type { FuseChannel } from '../overlay/server-messages.js';
import type { StoredImage } from '../store/stored-image.js';
import type { Store } from '../store/store.js';
import type { LogTarget } from '../util/log.js';

/** How to mount an image. */
export interface MountImage {
  readonly store: Store;
  readonly image: StoredImage;
  /** Undefined: a directory of the store, removed afterwards. */
  readonly mountpoint?: string | undefined;
  /** Changes are possible, and thrown away. */
  readonly writable: boolean;
  /** Paths that the sandbox mounts over. */
  readonly synthetic?: readonly MountPoint[];
  /** Left out: `/dev/fuse`. */
  readonly channel?: FuseChannel | undefined;
  readonly log: LogTarget | undefined;
  readonly signal: AbortSignal;
}

/** Where an image is, while it is mounted. */
export interface MountedImage {
  readonly mountpoint: string;
  /** Base first. */
  readonly layers: readonly LayerId[];
  /** Aborts when the caller's does, and when the mount's server dies. */
  readonly signal: AbortSignal;
}

/** Mounts an image, its layers unpacked where needed, for as long as `work` takes. */
export async function withMountedImage<T>(
  { store, image, mountpoint: given, writable, synthetic, channel, log, signal }: MountImage,
  work: (mounted: MountedImage) => Promise<T>,
): Promise<T> {
  const [{ OverlayServer }, { ensureLayers }] = await Promise.all([
    import('../overlay/overlay-server.js'),
    import('../store/unpack-layers.js'),
  ]);
  await using server = OverlayServer.start({ log, channel });
  const layers = await ensureLayers(store, image.layers, { signal });
  using area = store.work.create();
  const mountpoint = given ?? path.join(area.path, 'root');
  if (given === undefined) mkdirSync(mountpoint);
  await using mount = await server.mount({
    lowers: layers.map((id) => ({ kind: 'indexed', id })),
    layerDirs: store.layers.root,
    mountpoint,
    synthetic,
    ...(writable && { upperdir: path.join(area.path, 'upper') }),
  });
  return await mount.use(signal, (signal) => work({ mountpoint, layers, signal }));
}
