import type { LogTarget, Logger } from '../src/util/log.js';

/** An option, as yargs describes it. */
export interface Option {
  readonly type: 'string' | 'boolean';
  readonly describe: string;
  readonly alias?: string;
  /** May be repeated. */
  readonly array?: true;
  readonly choices?: readonly string[];
  readonly default?: string;
  /** What the flag means without `=VALUE`; its value can then not be the next word. */
  readonly bareValue?: string;
}

/** The options of a command by long name, in kebab-case. */
export type OptionTable = Readonly<Record<string, Option>>;

/** A positional of a command. `rest`: takes all that are left. */
export interface Positional {
  readonly describe: string;
  readonly optional?: boolean;
  readonly rest?: boolean;
}

/** What the command line gives for an option. */
type ValueOf<O extends Option> = O extends { readonly type: 'boolean' }
  ? boolean
  : O extends { readonly array: true }
    ? readonly string[]
    : O extends { readonly choices: readonly (infer Choice)[] }
      ? Choice
      : string;

/** The values of a table's options; undefined: not given. */
export type Parsed<O extends OptionTable> = {
  readonly [K in keyof O]: ValueOf<O[K]> | undefined;
};

/** What a command gets besides its arguments. */
export interface CommandContext {
  readonly env: NodeJS.ProcessEnv;
  /** Of the local store; `--root` has been considered. */
  readonly storeRoot: string | undefined;
  readonly logger: Logger;
  /** Where the logger writes, for processes that log by themselves. */
  readonly log: LogTarget;
  /** Texts by file name, for showing the lines of an error whose file cannot be read. */
  readonly sources: Map<string, string>;
  /** Aborts at the first SIGINT, SIGTERM or SIGHUP. */
  readonly signal: AbortSignal;
  /** From now on Ctrl-C is for a child in the foreground alone. */
  leaveInterruptsToChild(): void;
  /** Writes a line to standard output. */
  print(line: string): void;
  /** Writes a line to standard error. */
  warn(line: string): void;
}

/** The arguments of one call: options by long name, positionals by name, words behind `--`. */
export interface CommandArgs<O extends OptionTable> {
  readonly options: Parsed<O>;
  readonly words: Readonly<Record<string, readonly string[]>>;
  readonly passedOn: readonly string[];
}

/** A subcommand. Its file loads nothing heavy: `run` imports what it needs. */
export interface Command<O extends OptionTable = OptionTable> {
  readonly name: string;
  readonly describe: string;
  readonly positionals: Readonly<Record<string, Positional>>;
  readonly options: O;
  /**
   * After this many positionals the rest of the line is another program's, with or without a
   * `--` before it.
   */
  readonly passOnAfter?: number;
  readonly epilogue?: string;
  /**
   * Whether it runs in tsbuild's own namespaces, told by its words: they are entered before the
   * line is parsed, to save time.
   */
  isNamespaced?(argv: readonly string[]): boolean;
  /** Returns the exit code. Failures are thrown. */
  run(args: CommandArgs<O>, context: CommandContext): Promise<number>;
}

/** Declares a command, and infers the types of its options. */
export function defineCommand<const O extends OptionTable>(command: Command<O>): Command {
  return command;
}

/** The only word of a positional that is not optional. */
export function word(args: { words: CommandArgs<OptionTable>['words'] }, name: string): string {
  const value = args.words[name]?.[0];
  if (value === undefined) throw new Error(`Cannot find positional ${name}`);
  return value;
}
