import { EXIT } from '../../src/util/error-codes.js';
import { defineCommand, type Command } from '../command.js';
import { findRecord } from '../image.js';
import { openStore } from '../store.js';

export const rmiCommand: Command = defineCommand({
  name: 'rmi',
  describe: 'Remove names of images',
  positionals: { images: { describe: 'images of the store', rest: true } },
  options: {},
  epilogue: 'tsbuild prune frees what nothing uses then.',
  async run({ words }, context) {
    await using store = await openStore(context);
    // All are looked up first: one that does not exist leaves the others in place.
    const found = [];
    for (const name of words['images'] ?? []) found.push(await findRecord(store, name));
    for (const { reference, name } of found) {
      store.images.remove(reference);
      context.print(`removed ${name}`);
    }
    return EXIT.ok;
  },
});
