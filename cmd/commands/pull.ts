import type { ImageSource } from '../../src/oci/image-source.js';
import type { Reference } from '../../src/oci/reference.js';
import type { ImageRecord } from '../../src/store/images.js';
import { EXIT } from '../../src/util/error-codes.js';
import { UserError } from '../../src/util/errors.js';
import { defineCommand, word, type Command, type CommandContext } from '../command.js';
import { progressModeOf, PROGRESS_OPTION, type ProgressMode } from '../progress/open.js';
import { openStore } from '../store.js';
import { withTransfer } from '../transfer.js';

/** What to get, and under which name. */
interface Pull {
  readonly source: ImageSource;
  readonly name: Reference;
  readonly platform: string | undefined;
  readonly mode: ProgressMode;
}

async function pull(context: CommandContext, wanted: Pull): Promise<ImageRecord> {
  const [platforms, { formatImageSource }, { pullToStore }, { importImage }] = await Promise.all([
    import('../../src/oci/platform.js'),
    import('../../src/oci/image-source.js'),
    import('../../src/build/pull-image.js'),
    import('../../src/output/import-image.js'),
  ]);
  const { source, name, mode } = wanted;
  const platform =
    wanted.platform === undefined
      ? platforms.hostPlatform()
      : platforms.parsePlatform(wanted.platform);
  await using store = await openStore(context);
  const vertex = { kind: 'source', name: `pull ${formatImageSource(source)}` } as const;
  const record = await withTransfer(context, { store, mode, vertex }, (deps, { id }) => {
    if (source.kind === 'reference') {
      return pullToStore(deps, source.reference, { platform, parent: id });
    }
    return importImage(store, source, { platform, signal: deps.signal });
  });
  context.signal.throwIfAborted();
  store.images.put(name, record);
  return record;
}

/** What the image is called in the store. */
function nameOf(source: ImageSource, tag: Reference | undefined): Reference {
  if (tag !== undefined) return tag;
  if (source.kind === 'reference') return source.reference;
  throw new UserError('TSB_USAGE', 'Cannot pull from a file without a name for the image', {
    hint: 'name it with --tag NAME',
  });
}

export const pullCommand: Command = defineCommand({
  name: 'pull',
  describe: 'Download an image into the store',
  positionals: {
    image: { describe: 'its name, or oci:DIR, oci-archive:FILE, docker-archive:FILE' },
  },
  options: {
    tag: { type: 'string', alias: 't', describe: 'Name in the store [IMAGE]' },
    platform: { type: 'string', describe: "os/architecture[/variant] [this machine's]" },
    progress: PROGRESS_OPTION,
    quiet: { type: 'boolean', alias: 'q', describe: 'Print only the digest' },
  },
  async run(args, context) {
    const [{ formatFamiliar, parseReference, withDefaultTag }, { parseImageSource }] =
      await Promise.all([
        import('../../src/oci/reference.js'),
        import('../../src/oci/image-source.js'),
      ]);
    const { tag, platform } = args.options;
    const mode = progressModeOf(args.options, context.env);
    const parsed = parseImageSource(word(args, 'image'));
    const source: ImageSource =
      parsed.kind === 'reference'
        ? { kind: 'reference', reference: withDefaultTag(parsed.reference) }
        : parsed;
    const given = tag === undefined ? undefined : withDefaultTag(parseReference(tag));
    const name = nameOf(source, given);
    const { manifest } = await pull(context, { source, name, platform, mode });
    if (mode === 'quiet') context.print(manifest.digest);
    else if (mode !== 'json') context.warn(`Pulled ${formatFamiliar(name)}: ${manifest.digest}`);
    return EXIT.ok;
  },
});
