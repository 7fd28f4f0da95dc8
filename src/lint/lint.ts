import type { Buildfile, EscapeToken, Instruction, Stage } from '../dockerfile/ast.js';
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
import { type BaseImage, StageValues } from './stage-values.js';

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
}

export interface LintResult {
  /** In the order of the file. */
  readonly warnings: readonly LintWarning[];
  /** Whether the file asks that warnings end the build. */
  readonly isError: boolean;
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
  return { warnings, isError, unknown: unknownRules(options), unsettled: stages.unsettled };
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

/** Goes through the stages; one that is FROM another begins with what that one has. */
class StageChecks {
  readonly unsettled: { index: number; image: string }[] = [];
  readonly #buildfile: Buildfile;
  readonly #inputs: LintInputs;
  readonly #scope: FromScope;
  readonly #report: LintReport;
  readonly #ends = new Map<number, { values: StageValues; facts: StageFacts }>();

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
    const isAsked = this.#inputs.stages?.includes(index) ?? true;
    const report = isAsked ? this.#report : new LintReport(NOTHING);
    const parent = this.#parentOf(stage);
    const base = parent === undefined ? this.#baseOf(stage) : undefined;
    if (parent === undefined) checkBasePlatform(stage, { base, scope: this.#scope }, report);
    const values = new StageValues(parent?.values ?? base, {
      args: { buildArgs: this.#inputs.buildArgs, global: this.#scope.values },
      escape: this.#scope.escape,
    });
    const facts = { hasShell: base?.hasShell ?? false, hasWorkdir: false, ...parent?.facts };
    this.#ends.set(index, { values, facts });
    const seen = new Map<Instruction['kind'], Instruction>();
    let isSettled = true;
    for (const instruction of stage.instructions) {
      isSettled = this.#checkOne(instruction, { values, facts, seen, report }) && isSettled;
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
    }: {
      values: StageValues;
      facts: StageFacts;
      seen: Map<Instruction['kind'], Instruction>;
      report: LintReport;
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
    const { ignore } = this.#inputs;
    checkInstruction(instruction, expanded.instruction ?? instruction, { facts, ignore, report });
    return isBaseKnown || (expanded.unset.length === 0 && !isShellForm(instruction));
  }

  #parentOf({ from, index }: Stage): { values: StageValues; facts: StageFacts } | undefined {
    const parent = parentIndex({ from, index }, { buildfile: this.#buildfile, scope: this.#scope });
    return parent === undefined ? undefined : this.#ends.get(parent);
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
