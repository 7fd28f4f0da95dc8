import { EXIT } from '../../src/util/error-codes.js';
import { defineCommand, word, type Command } from '../command.js';
import { findImage } from '../image.js';
import { openStore } from '../store.js';

export const unpackCommand: Command = defineCommand({
  name: 'unpack',
  describe: 'Write the files of an image to a directory',
  positionals: {
    image: { describe: 'an image of the store' },
    directory: { describe: 'where; empty, or made' },
  },
  options: {},
  epilogue:
    "As root with the image's owners, devices and attributes; else the files are yours, and what\n" +
    'cannot be made is told.',
  async run(args, context) {
    const { unpackImage } = await import('../../src/output/write-output.js');
    await using store = await openStore(context);
    const { image } = await findImage(store, word(args, 'image'));
    const { signal } = context;
    const warnings = await unpackImage(image, word(args, 'directory'), store, { signal });
    for (const warning of warnings) context.warn(`warning: ${warning}`);
    return EXIT.ok;
  },
});
