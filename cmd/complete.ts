import { GLOBAL_OPTIONS } from './argv.js';
import type { Command, Option, OptionTable } from './command.js';

function flagsOf(options: OptionTable): string[] {
  return Object.keys(options).map((name) => `--${name}`);
}

/** The option that takes `typed` as its flag. */
function findOption(typed: string, options: OptionTable): Option | undefined {
  const entry = Object.entries(options).find(
    ([name, { alias }]) => typed === `--${name}` || (alias !== undefined && typed === `-${alias}`),
  );
  return entry?.[1];
}

/**
 * What the last of `words` may become: a command, a flag, or one of a flag's choices. Empty where
 * a file name or an image is wanted.
 */
export function complete(words: readonly string[], commands: readonly Command[]): string[] {
  const last = words.at(-1) ?? '';
  const before = words.slice(0, -1);
  const command = commands.find(({ name }) => before.includes(name));
  const options: OptionTable = { ...GLOBAL_OPTIONS, ...command?.options };
  const choices = findOption(before.at(-1) ?? '', options)?.choices;
  let candidates: readonly string[];
  if (choices !== undefined) candidates = choices.map(String);
  else if (last.startsWith('-')) candidates = flagsOf(options);
  else candidates = command === undefined ? commands.map(({ name }) => name) : [];
  return candidates.filter((candidate) => candidate.startsWith(last));
}
