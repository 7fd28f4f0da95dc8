import { EXIT } from '../../src/util/error-codes.js';
import { defineCommand, word, type Command } from '../command.js';
import { findImage } from '../image.js';
import { openStore } from '../store.js';

export const tagCommand: Command = defineCommand({
  name: 'tag',
  describe: 'Give an image another name',
  positionals: {
    image: { describe: 'an image of the store' },
    name: { describe: 'its other name' },
  },
  options: {},
  async run(args, context) {
    const { parseReference } = await import('../../src/oci/reference.js');
    const name = parseReference(word(args, 'name'));
    await using store = await openStore(context);
    const { image } = await findImage(store, word(args, 'image'));
    store.images.put(name, image.record);
    return EXIT.ok;
  },
});
