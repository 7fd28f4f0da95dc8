import type { BuildOptions, BuildResult } from '../../src/build/options.js';
import { Cleanup } from '../../src/util/cleanup.js';
import { EXIT } from '../../src/util/error-codes.js';
import { UserError } from '../../src/util/errors.js';
import { assertContext, readBuildfile, STDIN_NAME } from '../buildfile.js';
import { defineCommand, word, type Command, type CommandContext, type Parsed } from '../command.js';
import { metadataOf } from '../metadata.js';
import { enterNamespaces } from '../namespaces.js';
import { parsePairs, parseSourceDateEpoch } from '../pairs.js';
import { progressModeOf, PROGRESS_OPTION, withRenderer } from '../progress/open.js';
import { formatDuration } from '../progress/text.js';
import { once } from '../once.js';
import { prepareReport, writeReport } from '../report-file.js';
import { openRegistry, openStore } from '../store.js';

const OPTIONS = {
  file: {
    type: 'string',
    alias: 'f',
    describe: 'The Buildfile; - is standard input [CONTEXT/Buildfile, Dockerfile, Containerfile]',
  },
  tag: { type: 'string', alias: 't', array: true, describe: 'Name for the image; may be repeated' },
  output: {
    type: 'string',
    alias: 'o',
    array: true,
    describe: 'type=oci|oci-archive|docker|local|tar,dest=PATH, or a directory',
  },
  push: { type: 'boolean', describe: 'Push the tags to their registries' },
  target: { type: 'string', describe: 'Stage to build [the last]' },
  'build-arg': { type: 'string', array: true, describe: 'NAME=VALUE for ARG; NAME: from here' },
  label: { type: 'string', array: true, describe: 'NAME=VALUE for the image' },
  'no-cache': { type: 'boolean', describe: 'Run every step again' },
  pull: {
    type: 'string',
    choices: ['always', 'missing', 'never'],
    bareValue: 'always',
    describe: 'When to ask the registry for base images [missing]',
  },
  platform: { type: 'string', describe: "os/architecture: only this machine's" },
  network: { type: 'string', choices: ['host', 'none'], default: 'host', describe: 'Of RUN' },
  'fuse-channel': {
    type: 'string',
    choices: ['device', 'libfuse'],
    describe: "How RUN's files are served; libfuse, to compare: by the package fuse-native",
  },
  jobs: { type: 'string', describe: 'Steps of independent stages run at once [CPUs]' },
  progress: PROGRESS_OPTION,
  quiet: { type: 'boolean', alias: 'q', describe: 'Print only the digest of the image' },
  iidfile: { type: 'string', describe: 'File for the digest of the image' },
  'metadata-file': { type: 'string', describe: 'File for a report of the build, as JSON' },
} as const;

type Options = Parsed<typeof OPTIONS>;

async function buildOptionsOf(
  context: string,
  options: Options,
  env: NodeJS.ProcessEnv,
): Promise<BuildOptions> {
  const { parseOutputSpec } = await import('../../src/output/output-spec.js');
  const buildArgs = parsePairs(options['build-arg'] ?? [], '--build-arg', (name) => env[name]);
  const epoch = parseSourceDateEpoch(buildArgs['SOURCE_DATE_EPOCH'] ?? env['SOURCE_DATE_EPOCH']);
  return {
    context,
    buildfile: await readBuildfile(options.file, context),
    tags: options.tag ?? [],
    buildArgs,
    noCache: options['no-cache'] === true,
    pull: options.pull ?? 'missing',
    outputs: (options.output ?? []).map((text) => parseOutputSpec(text)),
    push: options.push === true,
    labels: parsePairs(options.label ?? [], '--label', () => ''),
    network: options.network ?? 'host',
    ...(options['fuse-channel'] !== undefined && { fuseChannel: options['fuse-channel'] }),
    ...(options.target !== undefined && { target: options.target }),
    ...(options.platform !== undefined && { platform: options.platform }),
    ...(options.jobs !== undefined && { jobs: parseJobs(options.jobs) }),
    ...(epoch !== undefined && { sourceDateEpoch: epoch }),
  };
}

function parseJobs(text: string): number {
  const jobs = Number(text);
  if (/^\d{1,4}$/.test(text) && jobs > 0) return jobs;
  throw new UserError('TSB_USAGE', `Cannot use --jobs "${text}": want a number from 1`);
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
