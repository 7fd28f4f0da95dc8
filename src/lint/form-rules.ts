/* Rules of how a file is written: they look at all of it. */
import type { AnyInstruction, Buildfile, FromInstruction } from '../dockerfile/ast.js';
import { splitBlanks } from '../dockerfile/parser.js';
import type { LintReport } from './report.js';

export function checkForm(buildfile: Buildfile, report: LintReport): void {
  const { globalArgs, stages } = buildfile;
  const inStages = stages.flatMap(({ from, instructions }) => [from, ...instructions]);
  for (const instruction of [...globalArgs, ...inStages]) {
    checkContinuation(instruction, report);
    checkDescription(instruction, report);
    checkMaintainer(instruction, report);
    if (instruction.kind !== 'from') continue;
    checkStageNameCasing(instruction, report);
    checkAsCasing(instruction, report);
  }
  checkCasing(inStages, report);
}

/** The keyword as written. */
function keywordOf({ original }: AnyInstruction): string {
  return splitBlanks(original)[0] ?? '';
}

function isLower(word: string): boolean {
  return word === word.toLowerCase();
}

function isUpper(word: string): boolean {
  return word === word.toUpperCase();
}

/** What stands behind AS, and AS itself, as written. */
function asOf({ original, name }: FromInstruction): { as: string; name: string } | undefined {
  const words = splitBlanks(original);
  const [as, written] = words.slice(-2);
  if (name === undefined || as === undefined || written === undefined) return undefined;
  return { as, name: written };
}

function checkContinuation(instruction: AnyInstruction, report: LintReport): void {
  const { blankLine } = instruction;
  if (blankLine === undefined) return;
  report.add(instruction, {
    rule: 'NoEmptyContinuation',
    message: `${keywordOf(instruction).toUpperCase()} has a blank line in its continuation`,
    hint: 'Remove the blank line, or put a # on it',
    line: blankLine,
  });
}

function checkMaintainer(instruction: AnyInstruction, report: LintReport): void {
  if (instruction.kind !== 'maintainer') return;
  report.add(instruction, {
    rule: 'MaintainerDeprecated',
    message: 'MAINTAINER is out of use',
    hint: `Write LABEL org.opencontainers.image.authors=${JSON.stringify(instruction.maintainer)}`,
    part: { text: keywordOf(instruction) },
  });
}

function checkDescription(instruction: AnyInstruction, report: LintReport): void {
  const comment = instruction.comments?.at(-1);
  const names = describedNames(instruction);
  const [first] = names;
  if (comment === undefined || first === undefined) return;
  if (names.includes(comment.split(' ')[0] ?? '')) return;
  const name = names.length > 1 ? 'NAME' : first;
  report.add(instruction, {
    rule: 'InvalidDefinitionDescription',
    message: `The comment above ${keywordOf(instruction)} does not describe ${name}`,
    hint: `Write # ${name} DESCRIPTION, or put a blank line below the comment`,
  });
}

function describedNames(instruction: AnyInstruction): string[] {
  if (instruction.kind === 'arg') return instruction.args.map(({ name }) => name);
  return instruction.kind === 'from' && instruction.name !== undefined ? [instruction.name] : [];
}

function checkStageNameCasing(from: FromInstruction, report: LintReport): void {
  const written = asOf(from)?.name;
  if (written === undefined || isLower(written)) return;
  report.add(from, {
    rule: 'StageNameCasing',
    message: `Stage name "${written}" has capital letters`,
    hint: `Write ${written.toLowerCase()}`,
    part: { text: written, last: true },
  });
}

function checkAsCasing(from: FromInstruction, report: LintReport): void {
  const as = asOf(from)?.as;
  const keyword = keywordOf(from);
  if (as === undefined || (!isLower(keyword) && !isUpper(keyword))) return;
  const wanted = isLower(keyword) ? 'as' : 'AS';
  if (as === wanted) return;
  report.add(from, {
    rule: 'FromAsCasing',
    message: `"${as}" is not written in the case of "${keyword}"`,
    hint: `Write ${wanted}`,
    part: { text: ` ${as} `, last: true },
  });
}

/** The case that most instructions have; those in mixed case do not vote. */
function checkCasing(instructions: readonly AnyInstruction[], report: LintReport): void {
  const keywords = instructions.map(keywordOf);
  const lower = keywords.filter(isLower).length;
  const upper = keywords.filter(isUpper).length;
  const [isWanted, wanted] =
    lower > upper ? [isLower, 'lower case'] : ([isUpper, 'upper case'] as const);
  for (const instruction of instructions) {
    const keyword = keywordOf(instruction);
    if (isWanted(keyword)) continue;
    report.add(instruction, {
      rule: 'ConsistentInstructionCasing',
      message: `"${keyword}" is not in ${wanted}, as most instructions of the file are`,
      hint: `Write ${lower > upper ? keyword.toLowerCase() : keyword.toUpperCase()}`,
      part: { text: keyword },
    });
  }
}
