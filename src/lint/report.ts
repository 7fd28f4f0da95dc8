import type { AnyInstruction } from '../dockerfile/ast.js';
import { type Part, sourceOf } from '../dockerfile/locate.js';
import type { SourceRange } from '../util/errors.js';
import { type CheckOptions, isActive, withComments } from './check-options.js';
import type { LintRuleName } from './rules.js';

/** What a check found. */
export interface LintWarning {
  readonly rule: LintRuleName;
  readonly message: string;
  /** What to write instead. */
  readonly hint: string;
  readonly source: SourceRange;
}

/** What a rule says. */
export interface Finding {
  readonly rule: LintRuleName;
  readonly message: string;
  readonly hint: string;
  /** The words at fault. */
  readonly part?: Part | undefined;
  /** The line at fault, where it is not the instruction. */
  readonly line?: number;
}

/** Collects what rules find, but for what the file or the instruction skips. */
export class LintReport {
  readonly warnings: LintWarning[] = [];
  readonly #options: CheckOptions;

  constructor(options: CheckOptions) {
    this.#options = options;
  }

  add(instruction: AnyInstruction, { rule, message, hint, part, line }: Finding): void {
    const options = withComments(this.#options, instruction.comments ?? []);
    if (!isActive(options, rule)) return;
    this.warnings.push({
      rule,
      message,
      hint,
      source: positionOf(instruction, { part, line }),
    });
  }
}

function positionOf(
  instruction: AnyInstruction,
  { part, line }: { part: Part | undefined; line: number | undefined },
): SourceRange {
  if (line !== undefined) return { ...instruction.source, startLine: line, endLine: line };
  return part === undefined ? instruction.source : sourceOf(instruction, part);
}
