import type { BuildOptions, BuildResult } from '../../src/build/options.js';
import { Cleanup } from '../../src/util/cleanup.js';
import { EXIT } from '../../src/util/error-codes.js';
import { CACHE_OPTIONS, cacheOptions } from '../build-options/cache.js';
import { IMAGE_OPTIONS, imageOptions } from '../build-options/image.js';
import { INPUT_OPTIONS, inputOptions } from '../build-options/input.js';
import { REPORT_OPTIONS } from '../build-options/report.js';
import { RUN_OPTIONS, runOptions } from '../build-options/run.js';
import { SCOPE_OPTIONS, scopeOptions } from '../build-options/scope.js';
import { assertContext, STDIN_NAME } from '../buildfile.js';
import { defineCommand, word, type Command, type CommandContext, type Parsed } from '../command.js';
import { metadataOf } from '../metadata.js';
import { enterNamespaces } from '../namespaces.js';
import { progressModeOf, PROGRESS_OPTION, withRenderer } from '../progress/open.js';
import { formatDuration } from '../progress/text.js';
import { once } from '../once.js';
import { prepareReport, writeReport } from '../report-file.js';
import { openRegistry, openStore } from '../store.js';

const OPTIONS = {
  ...INPUT_OPTIONS,
  ...IMAGE_OPTIONS,
  ...SCOPE_OPTIONS,
  ...CACHE_OPTIONS,
  ...RUN_OPTIONS,
  progress: PROGRESS_OPTION,
  ...REPORT_OPTIONS,
} as const;

type Options = Parsed<typeof OPTIONS>;

async function buildOptionsOf(
  context: string,
  options: Options,
  env: NodeJS.ProcessEnv,
): Promise<BuildOptions> {
  return {
    ...(await inputOptions(options, context)),
    ...(await imageOptions(options)),
    ...scopeOptions(options, env),
    ...cacheOptions(options),
    ...runOptions(options),
  };
}

/** Tells the user, and the programs that asked for files, what was built. */
async function report(
  result: BuildResult,
  options: Options,
  context: CommandContext,
): Promise<void> {
  const { imageDigest, tags, outputs, durationMs } = result;
  if (options.iidfile !== undefined) writeReport(options.iidfile, imageDigest);
  if (options['metadata-file'] !== undefined) {
    writeReport(options['metadata-file'], `${JSON.stringify(metadataOf(result), null, 2)}\n`);
  }
  const mode = progressModeOf(options, context.env);
  if (mode === 'quiet') context.print(imageDigest);
  if (mode === 'quiet' || mode === 'json') return;
  const { formatFamiliar, parseReference } = await import('../../src/oci/reference.js');
  const names = tags.map((tag) => `${formatFamiliar(parseReference(tag))} `).join('');
  context.warn(`Built ${names}${imageDigest} in ${formatDuration(durationMs)}`);
  for (const { type, destination } of outputs) context.warn(`Wrote ${type} to ${destination}`);
}

export const buildCommand: Command = defineCommand({
  name: 'build',
  isNamespaced: true,
  describe: 'Build an image from a Buildfile',
  positionals: { context: { describe: 'the directory that COPY and ADD read' } },
  options: OPTIONS,
  epilogue: 'A failing RUN exits with its own status.',
  async run(args, context) {
    const { options } = args;
    const directory = word(args, 'context');
    assertContext(directory);
    progressModeOf(options, context.env);
    const { privileged } = await enterNamespaces();
    const given = await buildOptionsOf(directory, options, context.env);
    const buildOptions = { ...given, privileged };
    context.sources.set(STDIN_NAME, buildOptions.buildfile.text);
    for (const file of [options.iidfile, options['metadata-file']]) {
      if (file !== undefined) prepareReport(file);
    }
    const { build } = await import('../../src/build/build.js');
    await using store = await openStore(context);
    await using cleanup = new Cleanup();
    const registry = once(async () => cleanup.use(await openRegistry(context)));
    const result = await withRenderer(progressModeOf(options, context.env), context, (emit) =>
      build(buildOptions, {
        store,
        registry,
        emit,
        signal: context.signal,
        log: context.log,
      }),
    );
    await report(result, options, context);
    return EXIT.ok;
  },
});
