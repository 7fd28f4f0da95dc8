import { EXIT } from '../../src/util/error-codes.js';
import { defineCommand, word, type Command } from '../command.js';
import { progressModeOf, PROGRESS_OPTION } from '../progress/open.js';
import { openStore } from '../store.js';
import { withTransfer } from '../transfer.js';

export const pullCommand: Command = defineCommand({
  name: 'pull',
  describe: 'Download an image into the store',
  positionals: { image: { describe: 'its name' } },
  options: {
    platform: { type: 'string', describe: "os/architecture[/variant] [this machine's]" },
    progress: PROGRESS_OPTION,
    quiet: { type: 'boolean', alias: 'q', describe: 'Print only the digest' },
  },
  async run(args, context) {
    const [reference, platform, { pullToStore }] = await Promise.all([
      import('../../src/oci/reference.js'),
      import('../../src/oci/platform.js'),
      import('../../src/build/pull-image.js'),
    ]);
    const { formatFamiliar, parseReference, withDefaultTag } = reference;
    const { options } = args;
    const mode = progressModeOf(options, context.env);
    const wanted = withDefaultTag(parseReference(word(args, 'image')));
    const name = formatFamiliar(wanted);
    const hostOrGiven =
      options.platform === undefined
        ? platform.hostPlatform()
        : platform.parsePlatform(options.platform);
    await using store = await openStore(context);
    const vertex = { kind: 'source', name: `pull ${name}` } as const;
    const { manifest } = await withTransfer(context, { store, mode, vertex }, (deps, running) =>
      pullToStore(deps, wanted, { platform: hostOrGiven, parent: running.id }),
    );
    if (mode === 'quiet') context.print(manifest.digest);
    else if (mode !== 'json') context.warn(`Pulled ${name}: ${manifest.digest}`);
    return EXIT.ok;
  },
});
