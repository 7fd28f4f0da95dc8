import type { Buildfile, Instruction, Stage } from '../dockerfile/ast.js';
import { findStage } from '../dockerfile/buildfile.js';
import { expandInstruction, expandPart } from '../dockerfile/expand.js';
import { findMountFrom } from '../dockerfile/mounts.js';
import type { ImageSource } from '../oci/image-source.js';
import { parseImageSource } from '../oci/image-source.js';
import { UserError } from '../util/errors.js';
import { suggest } from '../util/suggest.js';
import { positioned } from './positioned.js';
import { lookUp } from './scope.js';

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
    };

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
}

/** Resolves names of stages and images. UserErrors carry the position. */
export function planBuild(buildfile: Buildfile, inputs: PlanInputs): BuildPlan {
  const globalArgs = resolveGlobalArgs(buildfile, inputs);
  const scope = { ...inputs.predefined, ...globalArgs };
  const stages = buildfile.stages.map((stage) => planStage(stage, buildfile, scope));
  const target = findTarget(stages, inputs.target);
  const needed = new Set<number>();
  const need = (index: number): void => {
    if (needed.has(index)) return;
    needed.add(index);
    for (const other of stages[index]?.needs ?? []) need(other);
  };
  need(target.stage.index);
  return { stages, target, needed: [...needed].sort((a, b) => a - b), globalArgs };
}

/** What the `--from` of a COPY in stage `index` means: an earlier stage, or an image. */
export function resolveFrom(
  from: string,
  { stages, index }: { stages: readonly Stage[]; index: number },
): FilesOf {
  const stage = findStage(stages, from, index);
  if (stage !== undefined) return { kind: 'stage', index: stage.index };
  const later = findStage(stages, from, stages.length);
  if (later !== undefined || /^\d+$/.test(from)) {
    const found = later === undefined ? 'there is no such stage' : 'it is not an earlier stage';
    throw new UserError('TSB_COPY', `Cannot copy from stage "${from}": ${found}`);
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
  { stages, directives }: Buildfile,
  scope: Readonly<Record<string, string>>,
): PlannedStage {
  const { index } = stage;
  const lookup = (name: string): string | undefined => lookUp({ env: scope, args: {} }, name);
  const from = expandInstruction(stage.from, lookup, directives.escape);
  const base = positioned(from.source, () => resolveBase(from.image, stages, index));
  const copied = stage.instructions.flatMap((instruction) =>
    needsOf(instruction, { stages, index }),
  );
  const needs = base.kind === 'stage' ? [base.index, ...copied] : copied;
  const label = stage.name ?? (stages.length > 1 ? `stage-${index}` : '');
  return { stage, label, base, platform: from.platform, needs };
}

function resolveBase(image: string, stages: readonly Stage[], index: number): FilesOf {
  if (image === 'scratch') return { kind: 'scratch' };
  const stage = stages.slice(0, index).findLast(({ name }) => name === image.toLowerCase());
  if (stage !== undefined) return { kind: 'stage', index: stage.index };
  return imageFiles(image, stages.slice(0, index));
}

function imageFiles(text: string, earlier: readonly Stage[]): FilesOf {
  const names = earlier.map(({ name }) => name).filter((name) => name !== undefined);
  return { kind: 'image', source: parseImageSource(text), text, nearStage: suggest(text, names) };
}

/** The same of a mount of RUN; `scratch` is an empty directory. */
export function resolveMountFrom(
  from: string,
  at: { stages: readonly Stage[]; index: number },
): FilesOf {
  return from === 'scratch' ? { kind: 'scratch' } : resolveFrom(from, at);
}

function needsOf(
  instruction: Instruction,
  at: { stages: readonly Stage[]; index: number },
): number[] {
  if (instruction.kind === 'run') {
    return instruction.mounts.flatMap((mount) => {
      const from = findMountFrom(mount);
      if (from === undefined || from === '') return [];
      const files = positioned(instruction.source, () => resolveMountFrom(from, at));
      return files.kind === 'stage' ? [files.index] : [];
    });
  }
  if (instruction.kind !== 'copy' || instruction.from === undefined) return [];
  const { from, source } = instruction;
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
