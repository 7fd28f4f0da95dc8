import type { CacheKey, KeyParts } from '../cache/key.js';
import { cacheKeyOf } from '../cache/key.js';
import { findAlias, putAlias } from '../cache/records.js';
import type { Place } from '../cache/records.js';
import { ImageTree } from '../overlay/image-tree.js';
import { assertNever } from '../util/assert.js';
import { Cleanup } from '../util/cleanup.js';
import { editContainer } from '../oci/edit-config.js';
import { nextWorkdir } from './container-settings.js';
import type { Vertex } from './events.js';
import { copyHistory, runHistory } from './history.js';
import { openOverlay } from './image-access.js';
import { ImageFiles } from './image-files.js';
import type { FilesOf } from './plan.js';
import { resolveFrom, resolveMountFrom } from './plan.js';
import { explainFailure } from './positioned.js';
import type { RunningVertex } from './progress.js';
import type { FromSource, PrepareMounts } from './run-mounts.js';
import { parseMounts, prepareMounts } from './run-mounts.js';
import { declaredArgs, withoutCredentials } from './scope.js';
import { InlineFiles } from './inline-files.js';
import type { Session } from './session.js';
import { fetchSources } from './sources/add-sources.js';
import type { StageRun } from './stage.js';
import type { StageState } from './state.js';
import { withStep } from './state.js';
import type { StepResult } from './step.js';
import { cachedStep, findResult, guardCached } from './step.js';
import type { FileInstruction } from './step-config.js';
import type { CopyStep } from './step-copy.js';
import { copyParts, definitionParts, executeCopy, gatherCopy } from './step-copy.js';
import { argvOf, executeRun, runParts } from './step-run.js';
import { executeWorkdir, workdirParts } from './step-workdir.js';

/** The state after RUN, COPY, ADD or WORKDIR. */
export async function applyFileInstruction(
  run: StageRun,
  state: StageState,
  { instruction, vertex }: { instruction: FileInstruction; vertex: Vertex },
): Promise<StageState> {
  const { session, planned } = run;
  const { options } = session;
  const place: Place = [
    ...[options.context, options.buildfile.path ?? '', planned.label],
    // Stays the same when something is inserted before it.
    ...[instruction.kind, instruction.original],
  ];
  const source = await sourceOf(run, instruction);
  const mounts = await mountsOf(run, state, instruction);
  await using cleanup = new Cleanup();
  const startMs = performance.now();
  const result = await session.progress.run(vertex, async (running) => {
    try {
      const made = await carryOut(session, state, {
        ...{ instruction, place, running, source, mounts, cleanup, noCache: run.noCache },
      });
      if (made.cached) await guardCached(session, made, { below: state.layers, instruction });
      return made;
    } catch (error) {
      throw explainFailure(error, session.store.root);
    }
  });
  const durationMs = Math.round(performance.now() - startMs);
  const { cached, missReason, layer, sources = [] } = result;
  const fetched = sources.length > 0 ? { sources } : {};
  session.report({ vertex, cached, missReason, durationMs, layer, ...fetched });
  return afterwards(state, instruction, result);
}

interface Work {
  readonly instruction: FileInstruction;
  readonly place: Place;
  readonly running: RunningVertex;
  readonly noCache: boolean;
  readonly source: FromSource | undefined;
  readonly mounts: MountsOf;
  /** Ends with the step. */
  readonly cleanup: Cleanup;
}

/** The mounts of a RUN, and where the `from` of each leads. */
type MountsOf = Pick<PrepareMounts, 'mounts' | 'from'>;

/** Waits for the stages and images that the mounts of a RUN show. */
async function mountsOf(
  run: StageRun,
  state: StageState,
  instruction: FileInstruction,
): Promise<MountsOf> {
  if (instruction.kind !== 'run') return { mounts: [], from: [] };
  const { session, stages, planned, escape } = run;
  const { contexts } = session;
  const mounts = parseMounts(instruction, state, escape);
  const from = mounts.map(async (mount) => {
    if (!('from' in mount) || mount.from === undefined) return undefined;
    const at = { stages, index: planned.stage.index, contexts };
    return await sourceFrom(run, resolveMountFrom(mount.from, at));
  });
  return { mounts, from: await Promise.all(from) };
}

/** Waits for the stage or image that a COPY copies from; undefined: the build context. */
async function sourceOf(
  run: StageRun,
  instruction: FileInstruction,
): Promise<FromSource | undefined> {
  if (instruction.kind !== 'copy' || instruction.from === undefined) return undefined;
  const { session, stages, planned } = run;
  const { contexts } = session;
  const at = { stages, index: planned.stage.index, contexts };
  return await sourceFrom(run, resolveFrom(instruction.from, at));
}

/** Waits for what a `from` means. A directory is read in place, as the build context is. */
async function sourceFrom(
  { session, stages, resolve }: StageRun,
  files: FilesOf,
): Promise<FromSource> {
  if (files.kind === 'context' && files.context.kind === 'directory') {
    const directory = session.directories.get(session, files.context.path, files.name);
    return { kind: 'directory', directory };
  }
  return { kind: 'state', state: await resolve(files, undefined), what: whatOf(files, stages) };
}

async function carryOut(session: Session, state: StageState, work: Work): Promise<StepResult> {
  const { instruction, place, running, source, noCache } = work;
  switch (instruction.kind) {
    case 'run': {
      const { mounts: written, cleanup } = work;
      const mounts = await prepareMounts(session, { state, ...written, cleanup });
      const step = { instruction, state, mounts };
      const result = await cachedStep(session, running, {
        ...{ place, noCache },
        parts: runParts(session, step),
        execute: () => executeRun(session, step, running),
      });
      if (result.cached) session.servers.skip();
      return result;
    }
    case 'workdir': {
      const directory = workdirOf(state, instruction.path);
      if (directory === '/') return { ...NOTHING_DONE, key: state.key };
      return await cachedStep(session, running, {
        ...{ place, noCache },
        parts: workdirParts(session, state, directory),
        execute: () => executeWorkdir(session, state, directory),
      });
    }
    case 'add':
    case 'copy': {
      const step = { instruction, state };
      return source?.kind === 'state'
        ? await copyFromImage(session, step, { ...work, source })
        : await copyFromContext(session, step, work);
    }
    default:
      return assertNever(instruction, 'instruction');
  }
}

const NOTHING_DONE = {
  layer: undefined,
  createdMs: undefined,
  cached: true,
  missReason: undefined,
};

async function copyFromContext(session: Session, step: CopyStep, work: Work): Promise<StepResult> {
  const { place, running, cleanup, source, noCache } = work;
  const context = source?.kind === 'directory' ? source.directory : session.context;
  const remote = await fetchSources(session, step.instruction, { running, cleanup });
  const copy = async (): Promise<StepResult> => {
    const files = remote.key === undefined ? await context.open() : NO_FILES;
    const gathered = await gatherCopy<unknown>(session, step, files, remote.files);
    return await cachedStep(session, running, {
      ...{ place, noCache },
      parts: await copyParts(session, gathered),
      execute: () => executeCopy(session, gathered),
    });
  };
  const result =
    remote.key === undefined
      ? await copy()
      : await knownOr(session, work, definitionParts(session, step, { key: remote.key }), copy);
  return { ...result, sources: remote.reports };
}

/** What path sources are of where there are none. */
const NO_FILES = new InlineFiles([], 0);

async function copyFromImage(
  session: Session,
  step: CopyStep,
  work: Work & { source: Extract<FromSource, { kind: 'state' }> },
): Promise<StepResult> {
  const { place, running, source, noCache } = work;
  return await knownOr(session, work, definitionParts(session, step, source.state), async () => {
    using overlay = openOverlay(session, source.state);
    const files = new ImageFiles(new ImageTree(overlay), source.what);
    const gathered = await gatherCopy(session, step, files);
    return await cachedStep(session, running, {
      ...{ place, noCache },
      parts: await copyParts(session, gathered),
      execute: () => executeCopy(session, gathered),
    });
  });
}

/** The result of a copy that was made with this definition before, else what `copy` makes. */
async function knownOr(
  session: Session,
  { running, noCache }: Pick<Work, 'running' | 'noCache'>,
  parts: KeyParts,
  copy: () => Promise<StepResult>,
): Promise<StepResult> {
  const definition = cacheKeyOf(parts);
  const known = noCache ? undefined : await findKnown(session, definition);
  if (known !== undefined) {
    running.outcome({ cached: true });
    return known;
  }
  const result = await copy();
  session.afterwards(() => putAlias(session.records, definition, result.key));
  return result;
}

async function findKnown(session: Session, definition: CacheKey): Promise<StepResult | undefined> {
  const key = await findAlias(session.records, definition);
  return key === undefined ? undefined : await findResult(session, key);
}

/** The state with the step's layer, its history and, for WORKDIR, its setting. */
function afterwards(
  state: StageState,
  instruction: FileInstruction,
  { key, layer, createdMs }: StepResult,
): StageState {
  switch (instruction.kind) {
    case 'run': {
      const args = withoutCredentials(state.scope, declaredArgs(state.scope));
      const createdBy = runHistory(args, argvOf(state, instruction.command));
      return withStep(state, { createdBy, createdMs, layer }, { key });
    }
    case 'add':
    case 'copy': {
      // A linked layer is the same on any parent: its key says nothing of the files below.
      const whole = instruction.link
        ? cacheKeyOf([
            ['below', state.key],
            ['link', key],
          ])
        : key;
      const createdBy = copyHistory(instruction);
      return withStep(state, { createdBy, createdMs, layer }, { key: whole });
    }
    case 'workdir': {
      const directory = workdirOf(state, instruction.path);
      const image = editContainer(state.image, { WorkingDir: directory });
      return withStep(
        state,
        { createdBy: `WORKDIR ${directory}`, createdMs, layer },
        { image, ...(layer !== undefined && { key }) },
      );
    }
  }
}

function workdirOf(state: StageState, given: string): string {
  return nextWorkdir(state.image.config?.WorkingDir ?? '/', given);
}

function whatOf(files: FilesOf, stages: StageRun['stages']): string {
  switch (files.kind) {
    case 'image':
      return `image "${files.text}"`;
    case 'stage':
      return `stage "${stages[files.index]?.name ?? files.index}"`;
    case 'scratch':
      return 'scratch';
    case 'context':
      return `build context "${files.name}"`;
  }
}
