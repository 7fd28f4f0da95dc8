import type { Buildfile, Instruction, Stage } from '../dockerfile/ast.js';
import { findStage } from '../dockerfile/buildfile.js';
import { expandInstruction, expandPart } from '../dockerfile/expand.js';
import { sourceOf } from '../dockerfile/locate.js';
import { findMountFrom } from '../dockerfile/mounts.js';
import type { ImageSource } from '../oci/image-source.js';
import { parseImageSource } from '../oci/image-source.js';
import { parsePlatform } from '../oci/platform.js';
import { UserError } from '../util/errors.js';
import { suggest } from '../util/suggest.js';
import { blamingVariables } from './empty-variables.js';
import { positioned } from './positioned.js';
import { lookUp } from './scope.js';
import type { FileContext } from './sources/named-contexts.js';
import { NamedContexts } from './sources/named-contexts.js';

/** Where the files of a stage or of a COPY come from. */
export type FilesOf =
  | { readonly kind: 'scratch' }
  | { readonly kind: 'stage'; readonly index: number }
  | {
      readonly kind: 'image';
      readonly source: ImageSource;
      readonly text: string;
      /** A stage that the name may have meant, should there be no such image. */
      readonly nearStage: string | undefined;
    }
  | { readonly kind: 'context'; readonly name: string; readonly context: FileContext };

/** A stage, ready to be carried out. */
export interface PlannedStage {
  readonly stage: Stage;
  /** Its name, `stage-2` without one. */
  readonly label: string;
  readonly base: FilesOf;
  /** The platform that FROM asks for, expanded. */
  readonly platform: string | undefined;
  /** Earlier stages that this one needs. */
  readonly needs: readonly number[];
}

/** What a build has to do. */
export interface BuildPlan {
  /** All stages of the Buildfile, by index. */
  readonly stages: readonly PlannedStage[];
  readonly target: PlannedStage;
  /** Indices of the target and what it needs, ascending: the others are dropped. */
  readonly needed: readonly number[];
  /** Values of the ARGs before the first FROM. */
  readonly globalArgs: Readonly<Record<string, string>>;
}

/** What a plan depends on besides the Buildfile. */
export interface PlanInputs {
  readonly target: string | undefined;
  readonly buildArgs: Readonly<Record<string, string>>;
  /** {@link platformArgs} of the build; TARGETSTAGE is not needed. */
  readonly predefined: Readonly<Record<string, string>>;
  readonly contexts?: NamedContexts;
}

/** Where a name is looked up: in stage `index`. */
export interface NameScope {
  readonly stages: readonly Stage[];
  readonly index: number;
  readonly contexts: NamedContexts;
}

/** Resolves names of stages and images. UserErrors carry the position. */
export function planBuild(buildfile: Buildfile, inputs: PlanInputs): BuildPlan {
  const globalArgs = resolveGlobalArgs(buildfile, inputs);
  const scope = { ...inputs.predefined, ...globalArgs };
  const { contexts = new NamedContexts({}) } = inputs;
  const stages = buildfile.stages.map((stage) => planStage(stage, buildfile, { scope, contexts }));
  const target = findTarget(stages, inputs.target);
  const needed = new Set<number>();
  const need = (index: number): void => {
    if (needed.has(index)) return;
    needed.add(index);
    for (const other of stages[index]?.needs ?? []) need(other);
  };
  need(target.stage.index);
  assertNoCycle(stages);
  return { stages, target, needed: [...needed].sort((a, b) => a - b), globalArgs };
}

/** What the `--from` of a COPY means: an earlier stage, a named context, or an image. */
export function resolveFrom(from: string, scope: NameScope): FilesOf {
  const { stages, index } = scope;
  const stage = findStage(stages, from, index);
  if (stage !== undefined) return { kind: 'stage', index: stage.index };
  const named = findNamed(from, scope);
  if (named !== undefined) return named;
  const later = findStage(stages, from, stages.length);
  if (later !== undefined || /^\d+$/.test(from)) {
    const found = later === undefined ? 'there is no such stage' : 'it is not an earlier stage';
    throw new UserError('TSB_COPY', `Cannot copy from stage "${from}": ${found}`, {
      hint: 'Name a stage above this one',
    });
  }
  return imageFiles(from, stages.slice(0, index));
}

function resolveGlobalArgs(
  { globalArgs, directives }: Buildfile,
  { buildArgs, predefined }: PlanInputs,
): Record<string, string> {
  const values: Record<string, string> = {};
  for (const instruction of globalArgs) {
    for (const { name, defaultValue } of instruction.args) {
      const lookup = (variable: string): string | undefined =>
        lookUp({ env: values, args: predefined }, variable);
      const given = lookUp({ env: buildArgs, args: {} }, name);
      const value =
        given ??
        (defaultValue === undefined
          ? lookup(name)
          : expandPart(instruction, defaultValue, lookup, directives.escape));
      if (value !== undefined) values[name] = value;
    }
  }
  return values;
}

function planStage(
  stage: Stage,
  { stages, directives, globalArgs }: Buildfile,
  { scope, contexts }: { scope: Readonly<Record<string, string>>; contexts: NamedContexts },
): PlannedStage {
  const { index } = stage;
  const at: NameScope = { stages, index, contexts };
  const label = stage.name ?? (stages.length > 1 ? `stage-${index}` : '');
  const replaced = stage.name === undefined ? undefined : findNamed(stage.name, at);
  if (replaced !== undefined) return replacedStage(stage, label, replaced);
  const lookup = (name: string): string | undefined => lookUp({ env: scope, args: {} }, name);
  const declared = globalArgs.flatMap(({ args }) => args.map(({ name }) => name));
  const variables = { from: stage.from, lookup, declared };
  const { from, base } = blamingVariables(variables, (find) => {
    const expanded = expandInstruction(stage.from, find, directives.escape);
    const source = sourceOf(stage.from, { text: stage.from.image });
    return { from: expanded, base: positioned(source, () => resolveBase(expanded.image, at)) };
  });
  const copied = stage.instructions.flatMap((instruction) => needsOf(instruction, at));
  const needs = base.kind === 'stage' ? [base.index, ...copied] : copied;
  const { platform } = from;
  if (platform !== undefined) {
    const part = { text: `--platform=${stage.from.platform ?? ''}` };
    positioned(sourceOf(stage.from, part), () => parsePlatform(platform));
  }
  return { stage, label, base, platform, needs };
}

/** A named context stands in the place of the whole stage: nothing of it is carried out. */
function replacedStage(stage: Stage, label: string, base: FilesOf): PlannedStage {
  const needs = base.kind === 'stage' ? [base.index] : [];
  return { stage: { ...stage, instructions: [] }, label, base, platform: undefined, needs };
}

/** What `--build-context` has put in the place of a name. */
function findNamed(name: string, { stages, contexts }: NameScope): FilesOf | undefined {
  const context = contexts.find(name);
  switch (context?.kind) {
    case undefined:
      return undefined;
    case 'scratch':
      return { kind: 'scratch' };
    case 'image':
      return { ...context, nearStage: undefined };
    case 'target': {
      const stage = findStage(stages, context.stage, stages.length);
      if (stage !== undefined) return { kind: 'stage', index: stage.index };
      throw noSuchTarget(name, context.stage, stages);
    }
    case 'directory':
    case 'git':
    case 'http':
      return { kind: 'context', name, context };
  }
}

function noSuchTarget(name: string, target: string, stages: readonly Stage[]): UserError {
  const names = stages.map((stage) => stage.name).filter((each) => each !== undefined);
  const near = suggest(target, names);
  const message = `Cannot use --build-context ${name}="target:${target}": there is no such stage`;
  return new UserError('TSB_USAGE', message, {
    ...(near !== undefined && { hint: `Did you mean target:${near}?` }),
  });
}

/** A stage refers to earlier ones; only `--build-context NAME=target:…` leads to later ones. */
function assertNoCycle(stages: readonly PlannedStage[]): void {
  const state = new Map<number, 'open' | 'done'>();
  const visit = (index: number): void => {
    if (state.get(index) === 'done') return;
    const planned = stages[index];
    if (state.get(index) === 'open') {
      const message = `Cannot build stage "${planned?.label ?? index}": it needs itself`;
      throw new UserError('TSB_USAGE', message, {
        hint: 'Check what --build-context NAME=target:STAGE names',
        ...(planned !== undefined && { source: planned.stage.from.source }),
      });
    }
    state.set(index, 'open');
    for (const other of planned?.needs ?? []) visit(other);
    state.set(index, 'done');
  };
  for (const { stage } of stages) visit(stage.index);
}

function resolveBase(image: string, scope: NameScope): FilesOf {
  const { stages, index } = scope;
  if (image === 'scratch') return { kind: 'scratch' };
  const stage = stages.slice(0, index).findLast(({ name }) => name === image.toLowerCase());
  if (stage !== undefined) return { kind: 'stage', index: stage.index };
  return findNamed(image, scope) ?? imageFiles(image, stages.slice(0, index));
}

function imageFiles(text: string, earlier: readonly Stage[]): FilesOf {
  const names = earlier.map(({ name }) => name).filter((name) => name !== undefined);
  return { kind: 'image', source: parseImageSource(text), text, nearStage: suggest(text, names) };
}

/** The same of a mount of RUN; `scratch` is an empty directory. */
export function resolveMountFrom(from: string, at: NameScope): FilesOf {
  return from === 'scratch' ? { kind: 'scratch' } : resolveFrom(from, at);
}

function needsOf(instruction: Instruction, at: NameScope): number[] {
  if (instruction.kind === 'run') {
    return instruction.mounts.flatMap((mount) => {
      const from = findMountFrom(mount);
      if (from === undefined || from === '') return [];
      const source = sourceOf(instruction, { text: `from=${from}` });
      const files = positioned(source, () => resolveMountFrom(from, at));
      return files.kind === 'stage' ? [files.index] : [];
    });
  }
  if (instruction.kind !== 'copy' || instruction.from === undefined) return [];
  const { from } = instruction;
  const source = sourceOf(instruction, { text: `--from=${from}` });
  const files = positioned(source, () => resolveFrom(from, at));
  return files.kind === 'stage' ? [files.index] : [];
}

function findTarget(stages: readonly PlannedStage[], word: string | undefined): PlannedStage {
  const all = stages.map(({ stage }) => stage);
  const last = stages.at(-1);
  if (last === undefined) throw new UserError('TSB_PARSE', 'Cannot build: no FROM was found');
  if (word === undefined) return last;
  const found = findStage(all, word, all.length);
  const planned = found && stages[found.index];
  if (planned !== undefined) return planned;
  const names = all.map(({ name }) => name).filter((name) => name !== undefined);
  const near = suggest(word, names);
  const hint =
    near === undefined ? `The stages are ${names.join(', ')}` : `Did you mean "${near}"?`;
  throw new UserError('TSB_USAGE', `Cannot find stage "${word}"`, names.length > 0 ? { hint } : {});
}
