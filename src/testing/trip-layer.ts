import { readTree } from '../layer/read-tree.js';
import { LayerReader, LayerSet, openContent, type LayerDirOf } from '../layer/layer-reader.js';
import { LayerWriter } from '../layer/layer-writer.js';
import type { LayerId } from '../layer/types.js';
import { packLayer } from '../tar/pack.js';
import { unpackLayer } from '../tar/unpack.js';

/** Makes layer `to` of the archive that layer `from` is packed to. */
export async function tripLayer(dirOf: LayerDirOf, from: LayerId, to: LayerId): Promise<void> {
  using reader = LayerReader.open(dirOf(from), from);
  using layers = new LayerSet(dirOf);
  const archive = packLayer(readTree(reader.index), {
    contentOf: ({ content: ref, size }) => openContent({ layers, home: from, ref, size }),
  });
  using writer = LayerWriter.create(dirOf(to));
  const { root } = await unpackLayer(archive, { writer });
  writer.finish(root, { sync: false });
}
