import { EXIT } from '../../src/util/error-codes.js';
import { defineCommand, word, type Command } from '../command.js';
import { progressModeOf, PROGRESS_OPTION } from '../progress/open.js';
import { openStore } from '../store.js';
import { withTransfer } from '../transfer.js';

export const bootstrapCommand: Command = defineCommand({
  name: 'bootstrap',
  describe: "Make a base image from a distribution's packages",
  positionals: { image: { describe: 'a distribution and its release, like debian:bookworm' } },
  options: {
    mirror: { type: 'string', describe: "URL of the archive [the host's apt sources]" },
    variant: { type: 'string', describe: 'Set of packages, as mmdebstrap names it [minbase]' },
    include: { type: 'string', array: true, describe: 'More packages; may be repeated' },
    tag: { type: 'string', alias: 't', describe: 'Name in the store [IMAGE]' },
    progress: PROGRESS_OPTION,
    quiet: { type: 'boolean', alias: 'q', describe: 'Print only the digest' },
  },
  epilogue: 'Needs mmdebstrap or debootstrap.',
  async run(args, context) {
    const { options } = args;
    const name = word(args, 'image');
    const mode = progressModeOf(options, context.env);
    const { bootstrap } = await import('../../src/bootstrap/bootstrap.js');
    await using store = await openStore(context);
    const vertex = { kind: 'step', name: `bootstrap ${name}` } as const;
    const { mirror, variant, tag } = options;
    const image = await withTransfer(context, { store, mode, vertex }, (deps, running) =>
      bootstrap(
        {
          name,
          include: (options.include ?? []).flatMap((list) => list.split(',')),
          env: context.env,
          signal: deps.signal,
          onOutput: (chunk) => running.output('stderr', chunk),
          ...(mirror !== undefined && { mirror }),
          ...(variant !== undefined && { variant }),
          ...(tag !== undefined && { tag }),
        },
        store,
      ),
    );
    const { digest } = image.record.manifest;
    if (mode === 'quiet') context.print(digest);
    else if (mode !== 'json') context.warn(`Made ${tag ?? name}: ${digest}`);
    return EXIT.ok;
  },
});
