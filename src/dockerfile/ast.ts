import type { SourceRange } from '../util/errors.js';

/** The character that escapes the next one and, at a line's end, continues the line. */
export type EscapeToken = '\\' | '`';

/** What every instruction carries: where it is, and the text that history and progress show. */
export interface InstructionBase {
  readonly source: SourceRange;
  /** The logical line: continuations joined, comments dropped, without heredoc bodies. */
  readonly original: string;
  /** Where the physical lines begin in it; absent: it is one line that begins at column 1. */
  readonly joins?: readonly Join[];
  /** The comments right above, without their `#`; directives and empty comments end them. */
  readonly comments?: readonly string[];
  /** A blank line between its continuations. */
  readonly blankLine?: number;
}

/** `original` from `offset` on is what the file has at this line and column. */
export interface Join {
  readonly offset: number;
  readonly line: number;
  readonly column: number;
}

/** `exec`: a JSON array, run as it is. `shell`: text for the stage's SHELL. */
export type CommandLine =
  | { readonly form: 'exec'; readonly argv: readonly string[] }
  | { readonly form: 'shell'; readonly command: string };

/** `script`: a lone heredoc that starts with `#!`, to be run as a file of that name. */
export type RunCommandLine =
  CommandLine | { readonly form: 'script'; readonly name: string; readonly text: string };

/** One `key=value`. */
export interface KeyValue {
  readonly key: string;
  readonly value: string;
}

/** One `name` or `name=default` of an ARG. */
export interface ArgDefinition {
  readonly name: string;
  readonly defaultValue?: string;
}

/** A source of COPY or ADD; `inline`: a heredoc, which becomes a file called `name`. */
export type CopySource =
  | { readonly kind: 'path'; readonly path: string }
  | {
      readonly kind: 'inline';
      readonly name: string;
      readonly data: string;
      /** Whether variables in `data` are expanded (the heredoc's word was not quoted). */
      readonly expand: boolean;
    };

export interface FromInstruction extends InstructionBase {
  readonly kind: 'from';
  /** An image reference, `scratch`, or the name of an earlier stage; may have variables. */
  readonly image: string;
  /** Lower case. */
  readonly name?: string;
  readonly platform?: string;
}

export interface RunInstruction extends InstructionBase {
  readonly kind: 'run';
  readonly command: RunCommandLine;
  readonly network?: NetworkMode;
  readonly security?: 'sandbox' | 'insecure';
  /** The values of `--mount` and `--device`, unparsed. */
  readonly mounts: readonly string[];
  readonly devices: readonly string[];
}

export type NetworkMode = 'default' | 'none' | 'host';

/** What COPY and ADD share. */
export interface CopyBase extends InstructionBase {
  readonly sources: readonly CopySource[];
  readonly destination: string;
  readonly chown?: string;
  readonly chmod?: string;
  readonly link: boolean;
  readonly excludes: readonly string[];
}

export interface CopyInstruction extends CopyBase {
  readonly kind: 'copy';
  /** A stage's name or index, or an image. */
  readonly from?: string;
  readonly parents: boolean;
}

export interface AddInstruction extends CopyBase {
  readonly kind: 'add';
  readonly checksum?: string;
  readonly keepGitDir?: boolean;
  readonly unpack?: boolean;
}

export interface EnvInstruction extends InstructionBase {
  readonly kind: 'env';
  readonly pairs: readonly KeyValue[];
  /** Written `name value`, without `=`. */
  readonly legacy?: true;
}

export interface LabelInstruction extends InstructionBase {
  readonly kind: 'label';
  readonly pairs: readonly KeyValue[];
  /** Written `name value`, without `=`. */
  readonly legacy?: true;
}

export interface ArgInstruction extends InstructionBase {
  readonly kind: 'arg';
  readonly args: readonly ArgDefinition[];
}

export interface WorkdirInstruction extends InstructionBase {
  readonly kind: 'workdir';
  readonly path: string;
}

export interface UserInstruction extends InstructionBase {
  readonly kind: 'user';
  readonly user: string;
}

export interface CmdInstruction extends InstructionBase {
  readonly kind: 'cmd';
  readonly command: CommandLine;
}

export interface EntrypointInstruction extends InstructionBase {
  readonly kind: 'entrypoint';
  readonly command: CommandLine;
}

export interface ShellInstruction extends InstructionBase {
  readonly kind: 'shell';
  readonly argv: readonly string[];
}

export interface ExposeInstruction extends InstructionBase {
  readonly kind: 'expose';
  /** As written; after `expandInstruction()` each is `<port>/<protocol>`, ranges resolved. */
  readonly ports: readonly string[];
}

export interface VolumeInstruction extends InstructionBase {
  readonly kind: 'volume';
  readonly paths: readonly string[];
}

export interface StopSignalInstruction extends InstructionBase {
  readonly kind: 'stopsignal';
  readonly signal: string;
}

export interface HealthcheckInstruction extends InstructionBase {
  readonly kind: 'healthcheck';
  readonly test: { readonly form: 'none' } | CommandLine;
  /** Durations in nanoseconds, as in the image config. */
  readonly intervalNs?: number;
  readonly timeoutNs?: number;
  readonly startPeriodNs?: number;
  readonly startIntervalNs?: number;
  readonly retries?: number;
}

export interface OnbuildInstruction extends InstructionBase {
  readonly kind: 'onbuild';
  /** What the image config keeps: the instruction's text, with heredoc bodies. */
  readonly expression: string;
  readonly trigger: Instruction;
}

export interface MaintainerInstruction extends InstructionBase {
  readonly kind: 'maintainer';
  readonly maintainer: string;
}

/** Any instruction inside a stage. */
export type Instruction =
  | RunInstruction
  | CopyInstruction
  | AddInstruction
  | EnvInstruction
  | LabelInstruction
  | ArgInstruction
  | WorkdirInstruction
  | UserInstruction
  | CmdInstruction
  | EntrypointInstruction
  | ShellInstruction
  | ExposeInstruction
  | VolumeInstruction
  | StopSignalInstruction
  | HealthcheckInstruction
  | OnbuildInstruction
  | MaintainerInstruction;

/** FROM opens a stage and is not part of its instructions. */
export type AnyInstruction = FromInstruction | Instruction;

export interface Stage {
  /** Lower case; absent without AS. */
  readonly name?: string;
  readonly index: number;
  readonly from: FromInstruction;
  readonly instructions: readonly Instruction[];
  /** From FROM to the end of the stage's last instruction. */
  readonly source: SourceRange;
}

/** Values of the parser directives; `escape` has its default. */
export interface Directives {
  readonly escape: EscapeToken;
  readonly syntax?: string;
  readonly check?: string;
  readonly checkLine?: number;
}

export interface BuildfileWarning {
  readonly message: string;
  readonly hint?: string;
  readonly source: SourceRange;
}

export interface Buildfile {
  readonly directives: Directives;
  /** The ARGs before the first FROM: in scope for FROM only. */
  readonly globalArgs: readonly ArgInstruction[];
  readonly stages: readonly Stage[];
  readonly warnings: readonly BuildfileWarning[];
}
