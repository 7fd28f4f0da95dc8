import { Overlay } from '../overlay/overlay.js';
import { ImageTree } from '../overlay/image-tree.js';
import type { Store } from '../store/store.js';
import type { StoredImage } from '../store/stored-image.js';
import { ensureLayers, type UnpackLayersOptions } from '../store/unpack-layers.js';

/** The root file system of an image. Disposing it closes its layers. */
export interface ImageFiles extends Disposable {
  readonly tree: ImageTree;
}

/** Opens an image's files, read-only; layers that are not unpacked yet are. */
export async function openImageFiles(
  store: Store,
  image: StoredImage,
  options: UnpackLayersOptions = {},
): Promise<ImageFiles> {
  const ids = await ensureLayers(store, image.layers, options);
  const overlay = Overlay.open({
    lowers: ids.map((id) => ({ kind: 'indexed', id })),
    layerDirOf: (id) => store.layers.dirOf(id),
    upperdir: undefined,
  });
  return { tree: new ImageTree(overlay), [Symbol.dispose]: () => overlay[Symbol.dispose]() };
}
