import type { Argv } from 'yargs';
import { EXIT } from '../src/util/error-codes.js';
import { UserError } from '../src/util/errors.js';
import { openLogger, SILENT, type Logger, type LogLevel } from '../src/util/log.js';
import { GLOBAL_OPTIONS, LONE_DASH, prepareArgv } from './argv.js';
import type { Command, CommandContext, OptionTable, Parsed } from './command.js';
import { COMMANDS } from './commands.js';
import { enterNamespaces } from './namespaces.js';
import { printError } from './print-error.js';
import { escapeControls } from './progress/text.js';
import { listenForSignals, type Signals } from './signals.js';
import { versionText } from './version.js';

type Values = Readonly<Record<string, unknown>>;

/** How a command is typed: `build <context>`, `run <image> [cmd..]`, as yargs wants it. */
function usageOf({ name, positionals }: Command): string {
  const words = Object.entries(positionals).map(([word, { optional, rest }]) => {
    const typed = rest ? `${word}..` : word;
    return optional ? `[${typed}]` : `<${typed}>`;
  });
  return [name, ...words].join(' ');
}

/** yargs has a `--version` of its own, and no other may be called so. */
function withoutVersion({ version: _, ...options }: OptionTable): OptionTable {
  return options;
}

function describe(parser: Argv, command: Command): Argv {
  for (const [name, { describe }] of Object.entries(command.positionals)) {
    parser = parser.positional(name, { describe, type: 'string' });
  }
  // An array takes one word for each flag, not all that follow.
  for (const [name, option] of Object.entries(command.options)) {
    parser = parser.option(name, option.array ? { ...option, nargs: 1 } : option);
  }
  return command.epilogue === undefined ? parser : parser.epilogue(command.epilogue);
}

/** yargs' message as one line of ours. */
function usageError(message: string, command: Command | undefined): UserError {
  const name = command === undefined ? 'tsbuild' : `tsbuild ${command.name}`;
  const text = message.trim().replaceAll(/\s*\n\s*/g, ' ');
  return new UserError('TSB_USAGE', `Cannot understand the command line: ${text}`, {
    hint: `${name} --help`,
  });
}

/**
 * The parser for the command, or for all if there is none; `found` is told the values. Loads
 * yargs, which takes longer than many a command.
 */
async function buildParser(
  argv: readonly string[],
  command: Command | undefined,
  found: (values: Values) => void,
): Promise<Argv> {
  const { default: yargs } = await import('yargs');
  let parser = yargs([...argv])
    .scriptName('tsbuild')
    .usage('$0 <command>\n\nBuilds container images without a daemon and without root.')
    .parserConfiguration({
      'boolean-negation': false,
      'camel-case-expansion': false,
      'dot-notation': false,
      'parse-numbers': false,
      'parse-positional-numbers': false,
      'populate--': true,
      'strip-aliased': true,
    })
    .options(withoutVersion(GLOBAL_OPTIONS))
    .group(Object.keys(GLOBAL_OPTIONS), 'Global options:')
    .version(versionText())
    .strict()
    .exitProcess(false)
    .showHelpOnFail(false)
    .wrap(Math.min(100, process.stdout.columns || 80))
    .epilogue('Exit codes and error codes: README.md, "Reference".')
    .fail((message: string | null, error: Error | undefined) => {
      throw error ?? usageError(message ?? '', command);
    });
  for (const each of command === undefined ? COMMANDS : [command]) {
    parser = parser.command(
      usageOf(each),
      each.describe,
      (inner) => describe(inner, each),
      (values) => found(values),
    );
  }
  return parser;
}

/** Picks what a command is given out of what yargs found. */
function argumentsOf(command: Command, values: Values): Parameters<Command['run']>[0] {
  const words: Record<string, string[]> = {};
  for (const name of Object.keys(command.positionals)) {
    const value = values[name];
    const given = value === undefined ? [] : [value].flat().map(String);
    words[name] = given.map((each) => (each === LONE_DASH ? '-' : each));
  }
  const options = Object.fromEntries(
    Object.keys(command.options).map((name) => [name, values[name]]),
  ) as Parsed<OptionTable>;
  const passedOn = (values['--'] as string[] | undefined) ?? [];
  return { options, words, passedOn };
}

/** What one run of the program shares between its parts. */
interface Run {
  readonly signals: Signals;
  readonly sources: Map<string, string>;
  logger: Logger;
  isVerbose: boolean;
}

async function runCommand(command: Command, values: Values, run: Run): Promise<number> {
  const { signals, sources } = run;
  const given = values['log-level'] as LogLevel;
  const logFile = values['log-file'] as string | undefined;
  const level = logFile !== undefined && given === 'silent' ? 'debug' : given;
  run.isVerbose = given === 'debug' || given === 'trace';
  run.logger = await openLogger(level, logFile);
  const context: CommandContext = {
    env: process.env,
    storeRoot: values['root'] as string | undefined,
    logger: run.logger,
    log: { level, file: logFile },
    sources,
    signal: signals.signal,
    leaveInterruptsToChild: () => signals.leaveInterruptsToChild(),
    print: (line) => process.stdout.write(`${line}\n`),
    warn: (line) => process.stderr.write(`${escapeControls(line)}\n`),
  };
  return await command.run(argumentsOf(command, values), context);
}

/** Whether the parser itself answers the command line. */
function isAnswered(argv: readonly string[]): boolean {
  const end = argv.indexOf('--');
  const own = end < 0 ? argv : argv.slice(0, end);
  return own.some((typed) => ['--help', '-h', '--version'].includes(typed));
}

async function runLine(argv: readonly string[], run: Run): Promise<number> {
  const { command, argv: prepared } = prepareArgv(argv, COMMANDS);
  let values: Values | undefined;
  if (command?.isNamespaced?.(prepared) === true && !isAnswered(prepared)) await enterNamespaces();
  const parser = await buildParser(prepared, command, (parsed) => (values = parsed));
  if (command === undefined && !isAnswered(prepared)) {
    parser.showHelp();
    return EXIT.usage;
  }
  await parser.parseAsync();
  if (command === undefined || values === undefined) return EXIT.ok;
  return await runCommand(command, values, run);
}

/** Runs one command line; prints what goes wrong. Returns the exit code; does not exit. */
export async function runCli(argv: readonly string[]): Promise<number> {
  const signals = listenForSignals();
  const run: Run = { signals, sources: new Map(), logger: SILENT, isVerbose: false };
  try {
    return await runLine(argv, run);
  } catch (error) {
    const { sources, isVerbose } = run;
    run.logger.error({ err: error }, 'failed');
    const cause = signals.received === undefined ? error : signals.error();
    return printError(cause, { isVerbose, sources });
  } finally {
    signals.stop();
  }
}
