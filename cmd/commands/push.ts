import { EXIT } from '../../src/util/error-codes.js';
import { defineCommand, word, type Command } from '../command.js';
import { findImage } from '../image.js';
import { progressModeOf, PROGRESS_OPTION } from '../progress/open.js';
import { openStore } from '../store.js';
import { withTransfer } from '../transfer.js';

export const pushCommand: Command = defineCommand({
  name: 'push',
  describe: 'Upload an image to a registry',
  positionals: {
    image: { describe: 'an image of the store' },
    name: { describe: 'its name in the registry [IMAGE]', optional: true },
  },
  options: {
    progress: PROGRESS_OPTION,
    quiet: { type: 'boolean', alias: 'q', describe: 'Print only the digest in the registry' },
  },
  async run(args, context) {
    const [{ formatFamiliar, parseReference, withDefaultTag }, { pushFromStore }] =
      await Promise.all([
        import('../../src/oci/reference.js'),
        import('../../src/build/push-image.js'),
      ]);
    const mode = progressModeOf(args.options, context.env);
    const other = args.words['name']?.[0];
    await using store = await openStore(context);
    const { image, reference: own } = await findImage(store, word(args, 'image'));
    const reference = other === undefined ? own : withDefaultTag(parseReference(other));
    const name = formatFamiliar(reference);
    const vertex = { kind: 'export', name: `push ${name}` } as const;
    const digest = await withTransfer(context, { store, mode, vertex }, (deps, running) =>
      pushFromStore(deps, { image, reference }, { parent: running.id }),
    );
    if (mode === 'quiet') context.print(digest);
    else if (mode !== 'json') context.warn(`Pushed ${name}: ${digest}`);
    return EXIT.ok;
  },
});
