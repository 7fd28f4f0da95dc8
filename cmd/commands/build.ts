import type {
  BuildDeps,
  BuildfileInput,
  BuildOptions,
  BuildResult,
} from '../../src/build/options.js';
import { Cleanup } from '../../src/util/cleanup.js';
import { EXIT } from '../../src/util/error-codes.js';
import { CACHE_OPTIONS, cacheOptions } from '../build-options/cache.js';
import { CALL_OPTIONS, callOptions, callsForNoBuild, type Call } from '../build-options/call.js';
import { IMAGE_OPTIONS, imageOptions } from '../build-options/image.js';
import { INPUT_OPTIONS, inputOptions } from '../build-options/input.js';
import { REPORT_OPTIONS } from '../build-options/report.js';
import { RUN_OPTIONS, runOptions } from '../build-options/run.js';
import { SANDBOX_OPTIONS, sandboxOptions } from '../build-options/sandbox.js';
import { SCOPE_OPTIONS, scopeOptions } from '../build-options/scope.js';
import { isStdinPath, readSecretPipes } from '../build-options/secret-pipe.js';
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
  ...SANDBOX_OPTIONS,
  ...CALL_OPTIONS,
  progress: PROGRESS_OPTION,
  ...REPORT_OPTIONS,
} as const;

type Options = Parsed<typeof OPTIONS>;

async function buildOptionsOf(
  context: string,
  options: Options,
  caller: Pick<CommandContext, 'env' | 'signal'>,
): Promise<BuildOptions> {
  return {
    ...(await imageOptions(options)),
    ...scopeOptions(options, caller.env),
    ...cacheOptions(options),
    ...runOptions(options),
    // Last: what is wrong with a flag is said before a file is looked for.
    ...(await givenOptions(context, options, caller)),
  };
}

/** What is read: secrets out of pipes, the Buildfile. */
async function givenOptions(
  context: string,
  options: Options,
  { env, signal }: Pick<CommandContext, 'env' | 'signal'>,
): Promise<
  Pick<BuildOptions, keyof Awaited<ReturnType<typeof inputOptions>> | 'runs' | 'allowSecretInLayer'>
> {
  const sandbox = sandboxOptions(options, env);
  const stdinReader = stdinReaderOf(context, options.file);
  const secrets = await readSecretPipes(sandbox.runs?.secrets ?? [], { signal, stdinReader });
  return {
    ...sandbox,
    runs: { ...sandbox.runs, secrets },
    ...(await inputOptions(options, context)),
  };
}

function stdinReaderOf(context: string, file = ''): string | undefined {
  if (context === STDIN_NAME) return 'the context';
  return file === STDIN_NAME || isStdinPath(file) ? 'the Buildfile' : undefined;
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

/** Tells what the Buildfile says, and builds nothing. */
async function answer(
  call: Call,
  { directory, options }: { directory: string; options: Options },
  context: CommandContext,
): Promise<number> {
  const asked = {
    ...scopeOptions(options, context.env),
    ...cacheOptions(options),
    ...(await givenOptions(directory, options, context)),
  };
  await using store = await openStore(context);
  await using cleanup = new Cleanup();
  const registry = once(async () => cleanup.use(await openRegistry(context)));
  const [{ runCall }, { readCheckOptions }] = await Promise.all([
    import('../call.js'),
    import('../../src/build/check.js'),
  ]);
  const { signal, env } = context;
  const deps = { store, signal, env, ...stdinFor(directory) };
  const read = await readCheckOptions(asked, deps);
  rememberSource(context, read.buildfile);
  return await runCall(call, { options: read, deps: { store, registry, signal } }, context);
}

function stdinFor(context: string): Pick<BuildDeps, 'stdin'> {
  return context === STDIN_NAME ? { stdin: process.stdin } : {};
}

/** Keeps the text that errors are to quote: the file may be elsewhere. */
function rememberSource({ sources }: CommandContext, { text, path }: BuildfileInput): void {
  sources.set(path ?? STDIN_NAME, text);
}

export const buildCommand: Command = defineCommand({
  name: 'build',
  isNamespaced: (argv) => !callsForNoBuild(argv),
  describe: 'Build an image from a Buildfile',
  positionals: {
    context: { describe: 'what COPY and ADD read: a directory, - for a tar, a git or http URL' },
  },
  options: OPTIONS,
  epilogue: 'A failing RUN exits with its own status.',
  async run(args, context) {
    const { options } = args;
    const directory = word(args, 'context');
    assertContext(directory);
    progressModeOf(options, context.env);
    const call = callOptions(options);
    if (call !== undefined) return await answer(call, { directory, options }, context);
    const { privileged } = await enterNamespaces();
    const given = await buildOptionsOf(directory, options, context);
    const buildOptions = { ...given, privileged };
    for (const file of [options.iidfile, options['metadata-file']]) {
      if (file !== undefined) prepareReport(file);
    }
    if (options.secret !== undefined) {
      const { forbidCoreDumps } = await import('../../src/exec/ulimits.js');
      forbidCoreDumps();
    }
    const { buildPlatforms } = await import('../../src/build/build-platforms.js');
    await using store = await openStore(context);
    await using cleanup = new Cleanup();
    const registry = once(async () => cleanup.use(await openRegistry(context)));
    const result = await withRenderer(progressModeOf(options, context.env), context, (emit) =>
      buildPlatforms(buildOptions, {
        store,
        registry,
        emit,
        signal: context.signal,
        log: context.log,
        ...stdinFor(directory),
        env: context.env,
        onBuildfile: (buildfile) => rememberSource(context, buildfile),
      }),
    );
    await report(result, options, context);
    return EXIT.ok;
  },
});
