import type { Buildfile, EscapeToken, Instruction, Stage } from '../dockerfile/ast.js';
import { parseTrigger } from '../dockerfile/instructions.js';
import { expandWords } from '../dockerfile/words.js';
import { UserError } from '../util/errors.js';
import {
  type CheckOptions,
  parseCheckOptions,
  type UnknownRule,
  unknownRules,
} from './check-options.js';
import { checkForm } from './form-rules.js';
import {
  checkBasePlatform,
  checkDefaultImage,
  checkFromVariables,
  checkPlatform,
  checkStageNames,
} from './from-rules.js';
import {
  checkExpose,
  checkInstruction,
  checkOnce,
  checkUndefined,
  type IgnoreRules,
  type StageFacts,
} from './instruction-rules.js';
import { LintReport, type LintWarning } from './report.js';
import { attempt, type FromScope, globalScope, parentIndex } from './global-scope.js';
import { type BaseImage, type Expanded, located, StageValues } from './stage-values.js';

/** What a check knows besides the Buildfile. */
export interface LintInputs {
  readonly buildArgs: Readonly<Record<string, string>>;
  /** TARGETPLATFORM and its kin. */
  readonly predefined: Readonly<Record<string, string>>;
  /** Indices of the stages to look into; absent: all. */
  readonly stages?: readonly number[];
  /** The image that stage `index` begins with; undefined: not known. */
  readonly baseOf: (index: number) => BaseImage | undefined;
  /** Of the build context; absent: nothing is left out. */
  readonly ignore?: IgnoreRules | undefined;
  /** What the plan makes of the stages; absent: they are as the file says. */
  readonly plan?: LintPlan;
  /** Throws a UserError for an expanded instruction that a build would refuse. */
  readonly validate?: (instruction: Instruction) => void;
}

/** What a build takes stages for: named contexts may stand in their place. */
export interface LintPlan {
  /** The stage that a stage begins with. */
  parentOf(index: number): number | undefined;
  /** Whether nothing of the stage is carried out. */
  isReplaced(index: number): boolean;
}

export interface LintResult {
  /** In the order of the file. */
  readonly warnings: readonly LintWarning[];
  /** Whether the file asks that warnings end the build. */
  readonly isError: boolean;
  /** The first thing in the stages that the build would refuse. */
  readonly failure: UserError | undefined;
  /** Names in the check options that no rule has. */
  readonly unknown: readonly UnknownRule[];
  /** Stages of which more could be said if their base image were known; `image` as written. */
  readonly unsettled: readonly { readonly index: number; readonly image: string }[];
}

/** Names the options that take the place of the directive. */
const OPTIONS_ARG = 'BUILDKIT_DOCKERFILE_CHECK';

/** Checks a Buildfile. Throws TSB_PARSE for check options that cannot be read. */
export function lintBuildfile(buildfile: Buildfile, inputs: LintInputs): LintResult {
  const options = checkOptionsOf(buildfile, inputs);
  const report = new LintReport(options);
  checkForm(buildfile, report);
  checkStageNames(buildfile, report);
  const scope = globalScope(buildfile, inputs);
  for (const { from } of buildfile.stages) {
    checkDefaultImage(from, scope, report);
    checkFromVariables(from, scope, report);
    checkPlatform(from, scope, report);
  }
  const stages = new StageChecks(buildfile, { inputs, scope, report });
  for (const stage of buildfile.stages) stages.check(stage);
  const warnings = report.warnings.sort((a, b) => a.source.startLine - b.source.startLine);
  const isError = options.error && warnings.length > 0;
  const { unsettled, failure } = stages;
  return { warnings, isError, failure, unknown: unknownRules(options), unsettled };
}

/** The options of the build argument, or of the directive. */
export function checkOptionsOf(
  { directives, stages }: Buildfile,
  { buildArgs }: Pick<LintInputs, 'buildArgs'>,
): CheckOptions {
  if (Object.hasOwn(buildArgs, OPTIONS_ARG)) return parseCheckOptions(buildArgs[OPTIONS_ARG] ?? '');
  try {
    return parseCheckOptions(directives.check ?? '');
  } catch (error) {
    const file = stages[0]?.source.file;
    const line = directives.checkLine ?? 1;
    if (!(error instanceof UserError) || file === undefined) throw error;
    throw error.at({ file, startLine: line, endLine: line });
  }
}

/** What a stage leaves to those that are FROM it. */
interface StageEnd {
  readonly values: StageValues;
  readonly facts: StageFacts;
  readonly stage: Stage;
}

/** Goes through the stages; one that is FROM another begins with what that one has. */
class StageChecks {
  readonly unsettled: { index: number; image: string }[] = [];
  failure: UserError | undefined;
  readonly #buildfile: Buildfile;
  readonly #inputs: LintInputs;
  readonly #scope: FromScope;
  readonly #report: LintReport;
  readonly #ends = new Map<number, StageEnd>();

  constructor(
    buildfile: Buildfile,
    { inputs, scope, report }: { inputs: LintInputs; scope: FromScope; report: LintReport },
  ) {
    this.#buildfile = buildfile;
    this.#inputs = inputs;
    this.#scope = scope;
    this.#report = report;
  }

  check(stage: Stage): void {
    const { index } = stage;
    const { plan, stages } = this.#inputs;
    const isAsked = stages?.includes(index) ?? true;
    const report = isAsked ? this.#report : new LintReport(NOTHING);
    const parent = this.#parentOf(stage);
    const base = parent === undefined ? this.#baseOf(stage) : undefined;
    if (parent === undefined) checkBasePlatform(stage, { base, scope: this.#scope }, report);
    const values = new StageValues(parent?.values ?? base, {
      args: { buildArgs: this.#inputs.buildArgs, global: this.#scope.values },
      escape: this.#scope.escape,
    });
    const facts = { hasShell: base?.hasShell ?? false, hasWorkdir: false, ...parent?.facts };
    this.#ends.set(index, { values, facts, stage });
    for (const trigger of this.#triggersOf(stage, parent?.stage, base)) {
      values.apply(trigger);
      if (trigger.kind === 'shell') facts.hasShell = true;
    }
    if (plan?.isReplaced(index) === true) return;
    const seen = new Map<Instruction['kind'], Instruction>();
    let isSettled = true;
    for (const instruction of stage.instructions) {
      const at = { values, facts, seen, report, isAsked };
      isSettled = this.#checkOne(instruction, at) && isSettled;
    }
    if (!isSettled && isAsked) this.unsettled.push({ index, image: stage.from.image });
  }

  /** False: what was found depends on a base image that is not known. */
  #checkOne(
    instruction: Instruction,
    {
      values,
      facts,
      seen,
      report,
      isAsked,
    }: {
      values: StageValues;
      facts: StageFacts;
      seen: Map<Instruction['kind'], Instruction>;
      report: LintReport;
      isAsked: boolean;
    },
  ): boolean {
    if (instruction.kind === 'expose') {
      const words = exposedWords(instruction.ports, values, this.#scope.escape);
      checkExpose(instruction, words, report);
    }
    const expanded = values.apply(instruction);
    const { isBaseKnown } = values;
    if (isBaseKnown) checkUndefined(instruction, expanded, { values, report });
    checkOnce(instruction, { seen, report });
    if (isAsked) this.failure ??= expanded.error ?? this.#refused(instruction, expanded);
    const { ignore } = this.#inputs;
    checkInstruction(instruction, expanded.instruction ?? instruction, { facts, ignore, report });
    return isBaseKnown || (expanded.unset.length === 0 && !isShellForm(instruction));
  }

  /** What a build would refuse of an instruction whose variables are known. */
  #refused(
    written: Instruction,
    { instruction, unset }: Expanded<Instruction>,
  ): UserError | undefined {
    const { validate } = this.#inputs;
    if (validate === undefined || instruction === undefined || unset.length > 0) return undefined;
    let refused: UserError | undefined;
    attempt(
      () => located(written, () => validate(instruction)),
      (error) => (refused = error),
    );
    return refused;
  }

  #parentOf({ from, index }: Stage): StageEnd | undefined {
    const { plan } = this.#inputs;
    const parent =
      plan === undefined
        ? parentIndex({ from, index }, { buildfile: this.#buildfile, scope: this.#scope })
        : plan.parentOf(index);
    return parent === undefined ? undefined : this.#ends.get(parent);
  }

  /** What the base's ONBUILD has this stage do first. */
  #triggersOf(
    { from }: Stage,
    parent: Stage | undefined,
    base: BaseImage | undefined,
  ): Instruction[] {
    const inFile = parent?.instructions.flatMap((instruction) =>
      instruction.kind === 'onbuild' ? [instruction.trigger] : [],
    );
    return (
      inFile ??
      (base?.triggers ?? []).flatMap((text) => attempt(() => parseTrigger(text, from.image)) ?? [])
    );
  }

  #baseOf({ from, index }: Stage): BaseImage | undefined {
    if (from.image === 'scratch') return { env: {}, hasShell: false };
    return this.#inputs.baseOf(index);
  }
}

const NOTHING: CheckOptions = { skip: 'all', experimental: [], error: false };

function isShellForm(instruction: Instruction): boolean {
  const { kind } = instruction;
  return (kind === 'cmd' || kind === 'entrypoint') && instruction.command.form === 'shell';
}

function exposedWords(
  ports: readonly string[],
  values: StageValues,
  escape: EscapeToken,
): readonly string[] {
  return ports.flatMap(
    (port) => attempt(() => expandWords(port, (name) => values.find(name), escape)) ?? [],
  );
}
