import type { BuildfileWarning, Instruction } from './ast.js';
import { sourceOf } from './locate.js';

/**
 * An array begins a line with `['` or `["`, or has a comma behind a first quoted word. Else `[` is
 * the program of that name: `RUN [ "$x" = y ]`.
 */
const ARRAY_IN_RUN = /^\[(?:['"]|\s+(['"])[^'"]*\1\s*,)/;

/** What an instruction says that is likely not meant so. */
export function warnOfForm(instruction: Instruction): BuildfileWarning[] {
  if (instruction.kind === 'onbuild') return warnOfForm(instruction.trigger);
  return [...warnOfShellForm(instruction), ...warnOfExclude(instruction)];
}

/** Whether a command was meant as a JSON array and is none: `CMD ['sh']`, `CMD ["a" "b"]`. */
export function isBrokenArray(instruction: Instruction): boolean {
  const { kind } = instruction;
  if (kind !== 'cmd' && kind !== 'entrypoint' && kind !== 'run') return false;
  const { command } = instruction;
  if (command.form !== 'shell') return false;
  return kind === 'run' ? ARRAY_IN_RUN.test(command.command) : command.command.startsWith('[');
}

/** BuildKit takes the pattern as it is written: its result is kept, but not in silence. */
function warnOfExclude(instruction: Instruction): BuildfileWarning[] {
  const { kind } = instruction;
  if (kind !== 'copy' && kind !== 'add') return [];
  const written = instruction.excludes.filter((pattern) => /\$[{\w]/.test(pattern));
  return written.map((pattern) => ({
    message: `--exclude=${pattern} is taken as it is written: variables are not expanded in it`,
    hint: 'Write the pattern out',
    source: sourceOf(instruction, { text: pattern }),
  }));
}

/** The shell looks for a program of the name `[sh]`, which nobody wants. */
function warnOfShellForm(instruction: Instruction): BuildfileWarning[] {
  if (!isBrokenArray(instruction)) return [];
  const keyword = instruction.kind.toUpperCase();
  return [
    {
      message: `${keyword} looks like a JSON array and is not one: the shell will run it`,
      hint: `Write ${keyword} ["PROGRAM", "ARGUMENT"], with double quotes and commas`,
      source: instruction.source,
    },
  ];
}
