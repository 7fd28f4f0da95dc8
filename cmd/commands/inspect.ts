import { EXIT } from '../../src/util/error-codes.js';
import { defineCommand, word, type Command } from '../command.js';
import { findImage } from '../image.js';
import { escapeControls } from '../progress/text.js';
import { openStore } from '../store.js';

/** Version of the JSON that is printed; docs/formats.md describes it. */
const INSPECT_VERSION = 1;

export const inspectCommand: Command = defineCommand({
  name: 'inspect',
  describe: 'Print what is known of an image, as JSON',
  positionals: { image: { describe: 'an image of the store' } },
  options: {},
  async run(args, context) {
    const { formatFamiliar, parseReference } = await import('../../src/oci/reference.js');
    const { findLayers } = await import('../../src/store/unpack-layers.js');
    await using store = await openStore(context);
    const { image } = await findImage(store, word(args, 'image'));
    const { record, manifest, config } = image;
    const { digest } = record.manifest;
    const references = store.images
      .list()
      .filter((named) => named.record.manifest.digest === digest)
      .map(({ reference }) => formatFamiliar(parseReference(reference)));
    const ids = findLayers(store, image.layers);
    const layers = image.layers.map(({ descriptor, diffId }, index) => {
      const tarSize = store.layers.findRecord(diffId)?.tarSize;
      const size = tarSize === undefined ? {} : { size: tarSize };
      const isStored = store.blobs.has(descriptor.digest);
      return { diffId, ...size, unpacked: ids[index] !== undefined, blob: isStored };
    });
    const { platform, created } = record;
    const report = { digest, references, platform, created, manifest, config, layers };
    // JSON leaves the controls above U+007F as they are, and terminals obey them.
    context.print(
      escapeControls(JSON.stringify({ inspectVersion: INSPECT_VERSION, ...report }, null, 2)),
    );
    return EXIT.ok;
  },
});
