import type { Buildfile } from '../dockerfile/ast.js';
import { formatImageSource } from '../oci/image-source.js';
import { formatPlatform, parsePlatform, type Platform } from '../oci/platform.js';
import type { ErrorCode } from '../util/error-codes.js';
import { UserError } from '../util/errors.js';
import { imageState, scratchState, type ImageWish } from './base-image.js';
import type { Vertex } from './events.js';
import { findUncached } from './no-cache.js';
import type { BuildPlan, FilesOf, PlannedStage } from './plan.js';
import type { RunningVertex } from './progress.js';
import type { ArgSources } from './scope.js';
import { checkSecretOptions } from './secret-options.js';
import type { Session } from './session.js';
import { contextState } from './sources/context-state.js';
import { solveStage } from './stage.js';
import type { StageState } from './state.js';

/** What a solver works on. */
export interface SolverInputs {
  readonly session: Session;
  readonly buildfile: Buildfile;
  readonly plan: BuildPlan;
  readonly sources: ArgSources;
  /** Ends the other stages when one has failed. */
  readonly stop: AbortController;
}

/**
 * Carries out the stages of a plan: each at most once, independent ones side by side, a stage
 * that waits for another when it comes to need it.
 */
export class Solver {
  readonly #inputs: SolverInputs;
  readonly #uncached: ReadonlySet<number>;
  readonly #stages = new Map<number, Promise<StageState>>();
  readonly #images = new Map<string, Promise<StageState>>();

  constructor(inputs: SolverInputs) {
    this.#inputs = inputs;
    this.#uncached = findUncached(inputs.buildfile.stages, inputs.session.options);
  }

  /** The target's files and settings. All stages have ended when this settles. */
  async solve(): Promise<StageState> {
    const { session, plan, stop } = this.#inputs;
    checkSecretOptions(session);
    let failure: { error: unknown } | undefined;
    const stages = plan.needed.map(async (index) => {
      try {
        await this.#stage(index);
      } catch (error) {
        failure ??= { error };
        stop.abort(error);
      }
    });
    await Promise.all(stages);
    if (failure !== undefined) throw failure.error;
    return await this.#stage(plan.target.stage.index);
  }

  #stage(index: number): Promise<StageState> {
    const known = this.#stages.get(index);
    if (known !== undefined) return known;
    const solving = this.#solveStage(this.#planned(index));
    this.#stages.set(index, solving);
    return solving;
  }

  #planned(index: number): PlannedStage {
    const planned = this.#inputs.plan.stages[index];
    if (planned === undefined) throw new RangeError(`stage ${index}`);
    return planned;
  }

  async #solveStage(planned: PlannedStage): Promise<StageState> {
    const { session, buildfile, sources } = this.#inputs;
    return await solveStage({
      session,
      planned,
      stages: buildfile.stages,
      escape: buildfile.directives.escape,
      sources,
      noCache: this.#uncached.has(planned.stage.index),
      resolve: (files, vertex) => this.#resolve(files, vertex, this.#platformOf(planned, vertex)),
    });
  }

  /** FROM's `--platform` is for its base alone: what a COPY is from is the target's. */
  #platformOf({ platform }: PlannedStage, baseVertex: Vertex | undefined): Platform {
    const { session } = this.#inputs;
    return baseVertex === undefined || platform === undefined
      ? session.platform
      : parsePlatform(platform);
  }

  async #resolve(
    files: FilesOf,
    vertex: Vertex | undefined,
    platform: Platform,
  ): Promise<StageState> {
    const { session } = this.#inputs;
    const within = <T>(work: (running: RunningVertex | undefined) => Promise<T>): Promise<T> =>
      vertex === undefined ? work(undefined) : session.progress.run(vertex, work);
    switch (files.kind) {
      case 'scratch':
        return await within((running) => {
          running?.outcome({ cached: true });
          return Promise.resolve(scratchState(platform));
        });
      case 'stage':
        return await this.#stage(files.index);
      case 'image':
        return await within((running) => this.#image(files, { running, platform }));
      case 'context':
        return await within((running) => this.#context(files, { platform, running }));
    }
  }

  #context(
    { name, context }: Extract<FilesOf, { kind: 'context' }>,
    options: { running: RunningVertex | undefined; platform: Platform },
  ): Promise<StageState> {
    const key = `context ${name} ${formatPlatform(options.platform)}`;
    const known = this.#images.get(key);
    if (known !== undefined) return known;
    const state = contextState(this.#inputs.session, { name, context, ...options });
    this.#images.set(key, state);
    return state;
  }

  #image(
    { source, nearStage }: Extract<FilesOf, { kind: 'image' }>,
    options: ImageWish,
  ): Promise<StageState> {
    const name = `${formatImageSource(source)} ${formatPlatform(options.platform)}`;
    const known = this.#images.get(name);
    if (known !== undefined) return known;
    const image = imageState(this.#inputs.session, source, options).catch((error: unknown) => {
      throw nearStage === undefined ? error : withStageHint(error, nearStage);
    });
    this.#images.set(name, image);
    return image;
  }
}

const NOT_FOUND: readonly ErrorCode[] = ['TSB_IMAGE_NOT_FOUND', 'TSB_NETWORK', 'TSB_AUTH'];

/** A misspelt stage is taken for an image, and looked for in a registry: says so. */
function withStageHint(error: unknown, stage: string): unknown {
  if (!(error instanceof UserError) || !NOT_FOUND.includes(error.code)) return error;
  const { code, message, source } = error;
  const hint = `Did you mean the stage "${stage}"?`;
  return new UserError(code, message, { hint, cause: error, ...(source && { source }) });
}
