import { UserError } from '../src/util/errors.js';
import { suggest } from '../src/util/suggest.js';
import type { Command, OptionTable } from './command.js';

/** Options that every command has. */
export const GLOBAL_OPTIONS: OptionTable = {
  root: {
    type: 'string',
    describe: 'Directory of the local store [$TSBUILD_ROOT]',
  },
  'log-level': {
    type: 'string',
    choices: ['trace', 'debug', 'info', 'warn', 'error', 'silent'],
    default: 'silent',
    describe: 'What the log tells',
  },
  'log-file': {
    type: 'string',
    describe: 'Where the log goes, as JSON lines; else standard error',
  },
  help: { type: 'boolean', alias: 'h', describe: 'Show help' },
  version: { type: 'boolean', describe: 'Print the version' },
};

/** What stands for the positional `-`, which yargs takes for an empty one: no word can be this. */
export const LONE_DASH = '\0-';

/** A command line whose flags are all known, ready for yargs. */
export interface PreparedArgv {
  readonly command: Command | undefined;
  readonly argv: readonly string[];
}

interface Flag {
  readonly name: string;
  readonly takesValue: boolean;
  readonly repeatable: boolean;
  readonly bareValue: string | undefined;
}

interface Scan {
  readonly flags: Map<string, Flag>;
  readonly commandName: string;
  readonly seen: Set<string>;
  readonly next: string | undefined;
}

/** The flags of these tables as they are typed: `--file`, `-f`. */
function flagsOf(...tables: OptionTable[]): Map<string, Flag> {
  const flags = new Map<string, Flag>();
  for (const [name, option] of tables.flatMap((table) => Object.entries(table))) {
    const flag = {
      name,
      takesValue: option.type !== 'boolean' && option.bareValue === undefined,
      repeatable: option.array === true,
      bareValue: option.bareValue,
    };
    flags.set(`--${name}`, flag);
    if (option.alias !== undefined) flags.set(`-${option.alias}`, flag);
  }
  return flags;
}

function unknownFlag(typed: string, flags: Map<string, Flag>, command: string): UserError {
  // A single letter is as near to any other.
  const near = typed.startsWith('--') ? suggest(typed, flags.keys()) : undefined;
  return new UserError('TSB_USAGE', `Cannot use flag ${typed}: ${command} has no such flag`, {
    hint: near === undefined ? `${command} --help lists the flags` : `did you mean ${near}?`,
  });
}

/** Checks one flag word; returns the words for yargs, those of its value included. */
function takeFlag(typed: string, scan: Scan): string[] {
  const equals = typed.startsWith('--') ? typed.indexOf('=') : -1;
  // A short flag may carry its value: -fBuildfile.
  const end = typed.startsWith('--') ? (equals < 0 ? typed.length : equals) : 2;
  const flag = scan.flags.get(typed.slice(0, end));
  if (flag === undefined) throw unknownFlag(typed.slice(0, end), scan.flags, scan.commandName);
  if (scan.seen.has(flag.name) && !flag.repeatable) {
    throw new UserError('TSB_USAGE', `Cannot use --${flag.name} twice: want one value`);
  }
  scan.seen.add(flag.name);
  if (end < typed.length) return [typed];
  if (flag.bareValue !== undefined) return [`--${flag.name}=${flag.bareValue}`];
  if (!flag.takesValue) return [typed];
  if (scan.next === undefined || scan.next === '--') {
    throw new UserError('TSB_USAGE', `Cannot use flag ${typed}: it wants a value`);
  }
  if (scan.flags.has(scan.next)) {
    const message = `Cannot use flag ${typed}: it wants a value, found the flag ${scan.next}`;
    throw new UserError('TSB_USAGE', message, { hint: `${typed} VALUE ${scan.next}` });
  }
  return [typed, scan.next];
}

function findCommand(name: string, commands: readonly Command[]): Command {
  const command = commands.find((candidate) => candidate.name === name);
  if (command !== undefined) return command;
  const near = suggest(
    name,
    commands.map((candidate) => candidate.name),
  );
  throw new UserError('TSB_USAGE', `Cannot find command "${name}"`, {
    hint: near === undefined ? 'tsbuild --help lists the commands' : `did you mean ${near}?`,
  });
}

/** `lastFlag`: the one that took the last word as its value. */
function checkPositionals(
  { name, positionals }: Command,
  given: readonly string[],
  lastFlag: string | undefined,
): void {
  const wanted = Object.entries(positionals);
  const missing = wanted.slice(given.length).find(([, { optional }]) => !optional);
  const hint = `tsbuild ${name} --help`;
  if (missing !== undefined) {
    const [word, { describe }] = missing;
    const found = `${word.toUpperCase()} is missing (${describe})`;
    throw new UserError('TSB_USAGE', `Cannot run tsbuild ${name}: ${found}`, {
      hint: lastFlag === undefined ? hint : `the last word is the value of ${lastFlag}`,
    });
  }
  const takesRest = wanted.some(([, { rest }]) => rest);
  const extra = given[wanted.length];
  if (extra !== undefined && !takesRest) {
    const found = `${JSON.stringify(extra)} is one word too many`;
    throw new UserError('TSB_USAGE', `Cannot run tsbuild ${name}: ${found}`, { hint });
  }
}

/**
 * Finds the command of a command line, refuses flags that it does not have or that are given
 * twice and words too many or too few, and puts a `--` before the words that are another program's (`run IMAGE ls -l`).
 */
export function prepareArgv(argv: readonly string[], commands: readonly Command[]): PreparedArgv {
  let command: Command | undefined;
  let flags = flagsOf(GLOBAL_OPTIONS);
  const positionals: string[] = [];
  const seen = new Set<string>();
  const prepared: string[] = [];
  let index = 0;
  let lastFlag: string | undefined;
  while (index < argv.length) {
    const typed = argv[index] ?? '';
    if (typed === '--') break;
    if (positionals.length === command?.passOnAfter) {
      prepared.push('--');
      break;
    }
    if (typed.length > 1 && typed.startsWith('-')) {
      const commandName = command === undefined ? 'tsbuild' : `tsbuild ${command.name}`;
      const taken = takeFlag(typed, { flags, commandName, seen, next: argv[index + 1] });
      prepared.push(...taken);
      index += taken.length;
      if (taken.length > 1 && index === argv.length) lastFlag = typed;
      continue;
    }
    if (command === undefined) {
      command = findCommand(typed, commands);
      flags = flagsOf(GLOBAL_OPTIONS, command.options);
    } else {
      positionals.push(typed);
    }
    prepared.push(typed === '-' ? LONE_DASH : typed);
    index++;
  }
  if (command !== undefined && !seen.has('help')) checkPositionals(command, positionals, lastFlag);
  return { command, argv: [...prepared, ...argv.slice(index)] };
}
