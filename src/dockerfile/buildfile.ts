import { UserError } from '../util/errors.js';
import type {
  ArgInstruction,
  Buildfile,
  CopyInstruction,
  FromInstruction,
  Instruction,
  Stage,
} from './ast.js';
import { warnOfForm } from './form-warnings.js';
import { parseInstruction } from './instructions.js';
import { readLogicalLines } from './lines.js';
import { sourceOf } from './locate.js';
import { refuseUnsupported } from './unsupported.js';

/**
 * Parses a Buildfile into its stages and refuses what cannot be built. `file` is the name that
 * positions carry. Throws TSB_PARSE or TSB_UNSUPPORTED, with position and hint.
 */
export function parseBuildfile(text: string, file: string): Buildfile {
  const buildfile = parseBuildfileSyntax(text, file);
  for (const stage of buildfile.stages) {
    refuseUnsupported(stage.from);
    stage.instructions.forEach(refuseUnsupported);
  }
  return buildfile;
}

/** {@link parseBuildfile} without regard to what this version can build. */
export function parseBuildfileSyntax(text: string, file: string): Buildfile {
  const { lines, directives, warnings } = readLogicalLines(text, file);
  const builder = new StageList(file);
  for (const line of lines) {
    const instruction = parseInstruction(line, directives.escape);
    if (instruction.kind === 'from') builder.open(instruction);
    else builder.add(instruction);
  }
  const { stages, globalArgs } = builder.finish();
  stages.forEach((stage) => checkCopySources(stage, stages));
  const formWarnings = stages.flatMap((stage) => stage.instructions.flatMap(warnOfForm));
  return { directives, globalArgs, stages, warnings: [...warnings, ...formWarnings] };
}

/**
 * The stage that a FROM or --from names: by its name (in any case; of several the last) or its
 * index, if it is before stage `before`. Undefined: the reference is an image.
 */
export function findStage(
  stages: readonly Stage[],
  reference: string,
  before: number,
): Stage | undefined {
  const earlier = stages.slice(0, before);
  const name = reference.toLowerCase();
  const named = earlier.findLast((stage) => stage.name === name);
  return named ?? (/^\d+$/.test(reference) ? earlier[Number(reference)] : undefined);
}

class StageList {
  readonly #file: string;
  readonly #stages: { from: FromInstruction; instructions: Instruction[] }[] = [];
  readonly #globalArgs: ArgInstruction[] = [];

  constructor(file: string) {
    this.#file = file;
  }

  open(from: FromInstruction): void {
    this.#stages.push({ from, instructions: [] });
  }

  add(instruction: Instruction): void {
    const stage = this.#stages.at(-1);
    if (stage !== undefined) {
      stage.instructions.push(instruction);
    } else if (instruction.kind === 'arg') {
      this.#globalArgs.push(instruction);
    } else {
      throw new UserError(
        'TSB_PARSE',
        `Cannot parse ${instruction.kind.toUpperCase()}: found it before the first FROM`,
        { hint: 'Write FROM IMAGE, or FROM scratch, above it', source: instruction.source },
      );
    }
  }

  finish(): Pick<Buildfile, 'stages' | 'globalArgs'> {
    if (this.#stages.length === 0) {
      throw new UserError('TSB_PARSE', `Cannot parse "${this.#file}": found no FROM, want one`, {
        hint: 'Begin the file with FROM IMAGE, or FROM scratch',
        source: { file: this.#file, startLine: 1, endLine: 1 },
      });
    }
    const stages = this.#stages.map(({ from, instructions }, index): Stage => {
      const last = instructions.at(-1) ?? from;
      return {
        ...(from.name !== undefined && { name: from.name }),
        index,
        from,
        instructions,
        source: { ...from.source, endLine: last.source.endLine },
      };
    });
    return { stages, globalArgs: this.#globalArgs };
  }
}

function checkCopySources(stage: Stage, stages: readonly Stage[]): void {
  for (const instruction of stage.instructions) {
    if (instruction.kind === 'copy') checkCopySource(instruction, stage, stages);
  }
}

/** A number, or the name of a stage that is not before this one, cannot be meant as an image. */
function checkCopySource(
  instruction: CopyInstruction,
  stage: Stage,
  stages: readonly Stage[],
): void {
  const { from } = instruction;
  if (from === undefined) return;
  // Of several stages with one name, --from means the last of the file (BuildKit).
  const found = findStage(stages, from, stages.length);
  if (found !== undefined && found.index < stage.index) return;
  const later = found;
  if (later === undefined && !/^\d+$/.test(from)) return;
  const reason =
    later === undefined
      ? `there are ${stages.length} stages, from 0`
      : `it begins at line ${later.source.startLine}`;
  throw new UserError(
    'TSB_PARSE',
    `Cannot copy from stage "${from}": ${reason}, want an earlier stage`,
    {
      hint: 'Write --from=NAME with the name of a stage above this one',
      source: sourceOf(instruction, { text: `--from=${from}` }),
    },
  );
}
