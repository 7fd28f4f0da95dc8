import type { Buildfile, Instruction } from '../dockerfile/ast.js';
import { syntaxProblem } from '../dockerfile/directives.js';
import { PartError } from '../dockerfile/locate.js';
import { lintBuildfile, type LintInputs, type LintPlan, type LintResult } from '../lint/lint.js';
import type { IgnoreRules } from '../lint/instruction-rules.js';
import type { BaseImage } from '../lint/stage-values.js';
import type { ImageConfig } from '../oci/config.js';
import { parsePlatform, type Platform, platformMatches } from '../oci/platform.js';
import { type Reference, withDefaultTag } from '../oci/reference.js';
import type { RegistryClient } from '../registry/client.js';
import type { Store } from '../store/store.js';
import { UserError } from '../util/errors.js';
import { assertSignal } from './container-settings.js';
import { parseModeChange } from './file-mode.js';
import type { PullPolicy } from './options.js';
import type { BuildPlan } from './plan.js';
import type { Progress } from './progress.js';
import { parseEnv } from './scope.js';

const SYNTAX_ARG = 'BUILDKIT_SYNTAX';
/** Arguments of BuildKit's exporters and of its daemon. */
const WITHOUT_EFFECT: readonly string[] = [
  ...['BUILDKIT_INLINE_CACHE', 'BUILDKIT_MULTI_PLATFORM', 'BUILDKIT_BUILD_NAME'],
  ...['BUILDKIT_SBOM_SCAN_CONTEXT', 'BUILDKIT_SBOM_SCAN_STAGE'],
];

/** What checking a planned build takes. */
export interface LintBuild {
  readonly buildfile: Buildfile;
  readonly plan: BuildPlan;
  readonly inputs: Pick<LintInputs, 'buildArgs' | 'predefined' | 'stages' | 'ignore'>;
  readonly platform: Platform;
  readonly pull: PullPolicy;
  readonly store: Store;
  readonly registry: () => Promise<RegistryClient>;
  readonly signal: AbortSignal;
}

/**
 * Checks a Buildfile against the base images that the store has; the registry is asked for the
 * settings of another one only where a check depends on them. What cannot be had is left out:
 * the build will say why.
 */
export async function lintBuild(given: LintBuild): Promise<LintResult> {
  const bases = new Map<number, BaseImage>();
  const baseOf = (index: number): BaseImage | undefined => bases.get(index);
  const indices = given.inputs.stages ?? given.plan.stages.map(({ stage }) => stage.index);
  for (const index of indices) {
    const base = await storedBase(given, index);
    if (base !== undefined) bases.set(index, base);
  }
  const inputs = { ...given.inputs, baseOf, plan: planOf(given.plan), validate };
  const first = lintBuildfile(given.buildfile, inputs);
  if (first.unsettled.length === 0 || given.pull === 'never') return first;
  for (const { index } of first.unsettled) {
    const base = await remoteBase(given, index);
    if (base !== undefined) bases.set(index, base);
  }
  return lintBuildfile(given.buildfile, inputs);
}

/**
 * Warns of what the checks find. Throws what the build would refuse later, before it does any
 * work, and TSB_LINT where the file asks that warnings end the build.
 */
export async function warnOfLint(progress: Progress, given: LintBuild): Promise<void> {
  for (const warning of builtinWarnings(given.inputs.buildArgs)) progress.warn(warning);
  const result = await lintBuild(given);
  for (const unknown of result.unknown) progress.warn(unknown);
  for (const { rule, message, hint, source } of result.warnings) {
    progress.warn({ message: `${rule}: ${message}`, hint, source });
  }
  if (result.failure !== undefined) throw result.failure;
  if (result.isError) throw lintError(result);
}

/** What to say of build arguments that mean something to BuildKit and nothing here. */
export function builtinWarnings(
  buildArgs: Readonly<Record<string, string>>,
): { message: string; hint: string }[] {
  const without = WITHOUT_EFFECT.filter((name) => Object.hasOwn(buildArgs, name)).map((name) => ({
    message: `Build argument "${name}" has no effect here`,
    hint: 'Remove it, or leave it for BuildKit',
  }));
  const syntax = Object.hasOwn(buildArgs, SYNTAX_ARG) ? (buildArgs[SYNTAX_ARG] ?? '') : '';
  const message = syntax === '' ? undefined : syntaxProblem(syntax, `--build-arg ${SYNTAX_ARG}`);
  const hint = 'tsbuild reads the file with its own parser and refuses what it does not know';
  return message === undefined ? without : [...without, { message, hint }];
}

/** The error for a build whose file asks that warnings end it. */
function lintError({ warnings }: LintResult): UserError {
  const rules = [...new Set(warnings.map(({ rule }) => rule))].join(', ');
  const source = warnings[0]?.source;
  return new UserError('TSB_LINT', `Cannot build: the checks ${rules} have found something`, {
    hint: 'Mend it, or remove error=true from the check directive',
    ...(source !== undefined && { source }),
  });
}

/** What an ignore file leaves out, as a check needs it. */
export function ignoreRules(
  matcher: { readonly hasExceptions: boolean; ignores(path: string): boolean } | undefined,
): IgnoreRules | undefined {
  if (matcher === undefined) return undefined;
  const isAll = matcher.ignores(PROBE_NAME);
  return {
    hasExceptions: matcher.hasExceptions,
    isAll,
    ignores: (path) => matcher.ignores(path),
  };
}

/** What steps refuse when they come to it, and can be said before. */
function validate(instruction: Instruction): void {
  const { kind } = instruction;
  if (kind === 'stopsignal') within(instruction.signal, () => assertSignal(instruction.signal));
  if (kind !== 'copy' && kind !== 'add') return;
  const { chmod } = instruction;
  if (chmod !== undefined && chmod !== '') within('--chmod', () => void parseModeChange(chmod));
}

/** Runs `work`; its error is about `text` in the line. */
function within(text: string, work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const { code, message, hint } = error;
    throw new PartError(code, message, { hint, part: { text } });
  }
}

function planOf({ stages }: BuildPlan): LintPlan {
  return {
    parentOf: (index) => {
      const base = stages[index]?.base;
      return base?.kind === 'stage' ? base.index : undefined;
    },
    // The plan drops the instructions of a stage that a named context stands for.
    isReplaced: (index) => stages[index]?.stage.instructions.length === 0,
  };
}

/** A name that only a pattern for all names matches. */
const PROBE_NAME = 'tsbuild-probe-7f3a';

async function storedBase(given: LintBuild, index: number): Promise<BaseImage | undefined> {
  const reference = referenceOf(given, index);
  const platform = platformOf(given, index);
  const record = reference && given.store.images.get(reference, platform);
  // The image of another platform is not the one that the build takes.
  if (record === undefined || !platformMatches(record.platform, platform)) return undefined;
  return await attempt(async () => baseOfConfig((await given.store.loadImage(record)).config));
}

async function remoteBase(given: LintBuild, index: number): Promise<BaseImage | undefined> {
  const reference = referenceOf(given, index);
  if (reference === undefined) return undefined;
  const { signal, registry } = given;
  const platform = platformOf(given, index);
  return await attempt(async () => {
    const client = await registry();
    return baseOfConfig((await client.resolve(reference, { platform, signal })).config);
  });
}

/** The platform that FROM asks for, or the build's. */
function platformOf({ plan, platform }: LintBuild, index: number): Platform {
  const asked = plan.stages[index]?.platform;
  return asked === undefined ? platform : parsePlatform(asked);
}

function referenceOf({ plan }: LintBuild, index: number): Reference | undefined {
  const base = plan.stages[index]?.base;
  if (base?.kind !== 'image' || base.source.kind !== 'reference') return undefined;
  return withDefaultTag(base.source.reference);
}

function baseOfConfig({ config, os, architecture, variant }: ImageConfig): BaseImage {
  return {
    env: parseEnv(config?.Env ?? []),
    hasShell: (config?.Shell ?? []).length > 0,
    triggers: config?.OnBuild ?? [],
    platform: { os, architecture, ...(variant !== undefined && { variant }) },
  };
}

/** Undefined where the image cannot be had. */
async function attempt<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof UserError && error.code !== 'TSB_INTERRUPTED') return undefined;
    throw error;
  }
}
