import { availableParallelism } from 'node:os';
import { parseBuildfile } from '../dockerfile/buildfile.js';
import type { Buildfile } from '../dockerfile/ast.js';
import { hostPlatform } from '../oci/platform.js';
import {
  formatFamiliar,
  formatReference,
  parseReference,
  withDefaultTag,
} from '../oci/reference.js';
import type { Reference } from '../oci/reference.js';
import { explainNoSpace } from '../store/no-space.js';
import { Cleanup } from '../util/cleanup.js';
import { messageOf, UserError } from '../util/errors.js';
import { commitImage } from './commit.js';
import type { CommittedImage } from './commit.js';
import { writeOutputs } from './export.js';
import { LayerPacker } from './layer-packer.js';
import { ignoreRules, warnOfLint } from './lint-build.js';
import type { BuildDeps, BuildOptions, BuildResult, ReadOptions } from './options.js';
import type { BuildPlan } from './plan.js';
import { planBuild } from './plan.js';
import { choosePlatform, platformArgs } from './platform-args.js';
import { Progress } from './progress.js';
import { BUILTIN_ARGS, PROXY_ARGS } from './scope.js';
import { ServerPool } from './server-pool.js';
import { SecretStore } from './secrets.js';
import { Session } from './session.js';
import { Solver } from './solve.js';
import { NamedDirectories } from './sources/context-state.js';
import { loadContext } from './sources/load-context.js';
import { NamedContexts } from './sources/named-contexts.js';
import { openSources } from './sources/open-sources.js';
import type { StageState } from './state.js';
import { isFileInstruction } from './step-config.js';

/** What positions call a Buildfile that came from standard input. */
const STDIN_NAME = '-';
const EPOCH_ARG = 'SOURCE_DATE_EPOCH';

/**
 * Builds an image: parses and plans the Buildfile, carries out its steps or takes them from the
 * cache, stores the image under its tags, writes the outputs. Throws UserError (RunFailedError
 * for a command that failed). However it ends, no mount, process or work directory is left.
 */
export async function build(options: BuildOptions, deps: BuildDeps): Promise<BuildResult> {
  const startMs = performance.now();
  const stop = new AbortController();
  const signal = AbortSignal.any([deps.signal, stop.signal]);
  const progress = new Progress(deps.emit, signal);
  const durationMs = (): number => Math.round(performance.now() - startMs);
  try {
    const result = await run(options, deps, { progress, stop, signal });
    const { imageDigest, configDigest, tags } = result;
    const image = { imageDigest, configDigest, tags };
    progress.send({ kind: 'build-completed', durationMs: durationMs(), image });
    return { ...result, durationMs: durationMs() };
  } catch (error) {
    const reason = interruption(deps.signal) ?? explainNoSpace(error, deps.store.root);
    progress.send({ kind: 'build-failed', durationMs: durationMs(), message: messageOf(reason) });
    throw reason;
  }
}

async function run(
  given: BuildOptions,
  deps: BuildDeps,
  { progress, stop, signal }: { progress: Progress; stop: AbortController; signal: AbortSignal },
): Promise<Omit<BuildResult, 'durationMs'>> {
  const { store, registry } = deps;
  await using cleanup = new Cleanup();
  const secrets = new SecretStore(given.runs?.secrets ?? []);
  const env = deps.env ?? process.env;
  const sources = openSources({ options: given, store, progress, signal, secrets, cleanup, env });
  const loaded = await loadContext(given, { sources, stdin: deps.stdin, cleanup });
  deps.onBuildfile?.(loaded.buildfile);
  const asked = completeOptions({ ...given, context: loaded.name, buildfile: loaded.buildfile });
  const host = hostPlatform();
  const platform = choosePlatform(asked.platform, host);
  const tags = asked.tags.map(parseTag);
  const buildfile = parseBuildfile(asked.buildfile.text, asked.buildfile.path ?? STDIN_NAME);
  const predefined = {
    ...platformArgs(
      { target: platform, build: host },
      asked.target ?? buildfile.stages.at(-1)?.name,
      asked.buildArgs,
    ),
  };
  const { target, buildArgs } = asked;
  const contexts = new NamedContexts(given.namedContexts ?? {});
  const plan = planBuild(buildfile, { target, buildArgs, predefined, contexts });
  const options = withEpoch(asked, plan.globalArgs[EPOCH_ARG]);
  announce(progress, { buildfile, plan, tags });
  warnOfUnusedArgs(progress, options, buildfile);
  const ignore = ignoreRules(loaded.files.ignore);
  const inputs = { buildArgs, predefined, ignore, stages: plan.needed };
  const { pull } = options;
  await warnOfLint(progress, { buildfile, plan, inputs, platform, pull, store, registry, signal });
  const jobs = options.jobs ?? availableParallelism();
  const servers = cleanup.use(
    new ServerPool({ jobs, runs: countRuns(plan), log: deps.log, channel: options.fuseChannel }),
  );
  const packer = new LayerPacker(store, { signal: deps.signal, jobs });
  const session = new Session({
    secrets,
    sources,
    context: loaded.files,
    contexts,
    directories: cleanup.use(new NamedDirectories()),
    options,
    platform,
    store,
    registry,
    progress,
    signal,
    servers,
    packer,
  });
  const args = { buildArgs, globalArgs: plan.globalArgs, predefined };
  const solver = new Solver({ session, buildfile, plan, sources: args, stop });
  const state = await finish(session, () => solver.solve());
  warnOfUnusedContexts(progress, contexts);
  const image = await exportImage(session, await squashed(session, state), tags);
  const outputs = await leave(session, image, tags);
  return {
    imageDigest: image.manifest.digest,
    configDigest: image.config.digest,
    manifestDescriptor: image.manifest,
    tags: tags.map(formatReference),
    ...(loaded.source !== undefined && { context: loaded.source }),
    steps: await session.reports(),
    outputs,
  };
}

/** Writes everything that leaves the store. */
async function leave(
  session: Session,
  image: CommittedImage,
  tags: readonly Reference[],
): Promise<BuildResult['outputs']> {
  const outputs = await writeOutputs(session, image, tags);
  await session.cacheTransfer.export(session.guard, session.signal);
  return outputs;
}

function completeOptions(options: ReadOptions): ReadOptions {
  const { sourceDateEpoch } = options;
  if (sourceDateEpoch === undefined) return options;
  // A stage that declares it sees the time, wherever it was set.
  const buildArgs = { ...options.buildArgs, [EPOCH_ARG]: String(sourceDateEpoch) };
  return { ...options, buildArgs };
}

/** The time that `--build-arg`, or an ARG before the first FROM, asks for, unless one is set. */
function withEpoch(options: ReadOptions, text: string | undefined): ReadOptions {
  const value = options.buildArgs[EPOCH_ARG] ?? text;
  if (options.sourceDateEpoch !== undefined || value === undefined || value === '') return options;
  if (/^\d{1,12}$/.test(value)) return { ...options, sourceDateEpoch: Number(value) };
  throw new UserError('TSB_USAGE', `Cannot use ${EPOCH_ARG}="${value}": want seconds since 1970`);
}

/** Solves; what is left to do for the cache is done even if a step has failed. */
async function finish(session: Session, solve: () => Promise<StageState>): Promise<StageState> {
  try {
    const state = await solve();
    await session.settle();
    return state;
  } catch (error) {
    // The steps that succeeded are kept; the failure is the news.
    await session.settle().catch(() => undefined);
    throw error;
  } finally {
    if (!session.signal.aborted) {
      await session.context.remember();
      await session.directories.remember();
    }
  }
}

async function squashed(session: Session, state: StageState): Promise<StageState> {
  const mode = session.options.squash;
  if (mode === undefined) return state;
  const { squash } = await import('./squash.js');
  const vertex = session.progress.add({ kind: 'export', name: 'squashing layers' });
  return await session.progress.run(vertex, () => squash(session, state, mode));
}

async function exportImage(
  session: Session,
  state: StageState,
  tags: readonly Reference[],
): Promise<CommittedImage> {
  const names = tags.map(formatFamiliar).join(', ');
  const name = tags.length === 0 ? 'writing image' : `writing image ${names}`;
  const vertex = session.progress.add({ kind: 'export', name });
  return await session.progress.run(vertex, () => commitImage(session, state, { tags }));
}

function announce(
  progress: Progress,
  { buildfile, plan, tags }: { buildfile: Buildfile; plan: BuildPlan; tags: readonly Reference[] },
): void {
  const steps = plan.needed.reduce((sum, index) => sum + countSteps(plan, index), 0);
  const [tag] = tags;
  const name = tag === undefined ? plan.target.label : formatFamiliar(tag);
  progress.send({ kind: 'build-started', name, steps });
  for (const warning of buildfile.warnings) progress.warn(warning);
}

function countSteps(plan: BuildPlan, index: number): number {
  const planned = plan.stages[index];
  if (planned === undefined) return 0;
  const own = planned.stage.instructions.filter(isFileInstruction).length;
  return planned.base.kind === 'stage' ? own : own + 1;
}

function countRuns(plan: BuildPlan): number {
  // The base's ONBUILD triggers are not known yet: they start a server when they come to it.
  return plan.needed.reduce((sum, index) => {
    const instructions = plan.stages[index]?.stage.instructions ?? [];
    return sum + instructions.filter(({ kind }) => kind === 'run').length;
  }, 0);
}

function warnOfUnusedArgs(progress: Progress, options: BuildOptions, buildfile: Buildfile): void {
  const declared = new Set<string>([...PROXY_ARGS, ...BUILTIN_ARGS]);
  const instructions = buildfile.stages.flatMap((stage) => stage.instructions);
  for (const instruction of [...buildfile.globalArgs, ...instructions]) {
    if (instruction.kind !== 'arg') continue;
    for (const { name } of instruction.args) declared.add(name);
  }
  for (const name of Object.keys(options.buildArgs)) {
    if (declared.has(name)) continue;
    const hint = `Declare it in the stage that uses it: ARG ${name}`;
    progress.warn({ message: `Build argument "${name}" is not used`, hint });
  }
}

function warnOfUnusedContexts(progress: Progress, contexts: NamedContexts): void {
  for (const name of contexts.unused()) {
    const message = `Build context "${name}" is not used: no FROM, --from or stage has that name`;
    progress.warn({ message, hint: `Write FROM ${name}, or COPY --from=${name}` });
  }
}

function parseTag(text: string): Reference {
  const reference = parseReference(text);
  if (reference.digest === undefined) return withDefaultTag(reference);
  throw new UserError('TSB_REFERENCE', `Cannot tag an image as "${text}": it has a digest`, {
    hint: `Write the name without @${reference.digest}`,
  });
}

/** What the caller's abort means, whatever it made fail. */
function interruption(signal: AbortSignal): UserError | undefined {
  if (!signal.aborted) return undefined;
  return new UserError('TSB_INTERRUPTED', 'The build was interrupted', { cause: signal.reason });
}
