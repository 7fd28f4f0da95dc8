import { EXIT } from '../../src/util/error-codes.js';
import { defineCommand, word, type Command } from '../command.js';
import { findImage } from '../image.js';
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
    await using store = await openStore(context);
    const { image } = await findImage(store, word(args, 'image'));
    const { record, manifest, config } = image;
    const { digest } = record.manifest;
    const references = store.images
      .list()
      .filter((named) => named.record.manifest.digest === digest)
      .map(({ reference }) => formatFamiliar(parseReference(reference)));
    const layers = image.layers.map(({ descriptor, diffId }) => {
      const layer = store.layers.findRecord(diffId);
      const size = layer?.tarSize === undefined ? {} : { size: layer.tarSize };
      const isStored = store.blobs.has(descriptor.digest);
      return { diffId, ...size, unpacked: layer !== undefined, blob: isStored };
    });
    const { platform, created } = record;
    const report = { digest, references, platform, created, manifest, config, layers };
    context.print(JSON.stringify({ inspectVersion: INSPECT_VERSION, ...report }, null, 2));
    return EXIT.ok;
  },
});
