import type { ArgDefinition, EscapeToken, Instruction, RunInstruction } from '../dockerfile/ast.js';
import { expandInstruction, expandPart } from '../dockerfile/expand.js';
import { parseMount } from '../dockerfile/mounts.js';
import { attempt, ownValue } from './global-scope.js';

/** What is known of the image that a stage begins with. */
export interface BaseImage {
  readonly env: Readonly<Record<string, string>>;
  /** Whether it has a SHELL of its own. */
  readonly hasShell: boolean;
  readonly platform?: {
    readonly os: string;
    readonly architecture: string;
    readonly variant?: string;
  };
}

/** Where the value of a declared ARG comes from. */
export interface ArgValues {
  readonly buildArgs: Readonly<Record<string, string>>;
  /** ARGs before the first FROM, and the platform's. */
  readonly global: Readonly<Record<string, string>>;
}

/** An instruction with its variables expanded, and those that had no value. */
export interface Expanded<I> {
  /** Undefined: it cannot be expanded, which the build will say. */
  readonly instruction: I | undefined;
  readonly unset: readonly string[];
}

/** The variables of a stage while its instructions are read one after the other. */
export class StageValues {
  readonly #values: Map<string, string>;
  readonly #declared: Set<string>;
  readonly #args: ArgValues;
  readonly #escape: EscapeToken;
  /** Whether the base's environment is known: else a variable may be set there. */
  readonly isBaseKnown: boolean;

  constructor(
    base: BaseImage | StageValues | undefined,
    { args, escape }: { args: ArgValues; escape: EscapeToken },
  ) {
    const isStage = base instanceof StageValues;
    const env = isStage || base === undefined ? [] : Object.entries(base.env);
    this.#values = new Map(isStage ? base.#values : env);
    this.#declared = new Set(isStage ? base.#declared : ['PATH']);
    this.#args = args;
    this.#escape = escape;
    this.isBaseKnown = isStage ? base.isBaseKnown : base !== undefined;
  }

  /** The names that a misspelt one may have meant. */
  get names(): string[] {
    return [...new Set([...this.#values.keys(), ...this.#declared])];
  }

  /** The value of a variable; undefined: it has none. */
  find(name: string): string | undefined {
    return this.#values.get(name);
  }

  /** Expands an instruction, and takes over what it sets. */
  apply<I extends Instruction>(instruction: I): Expanded<I> {
    const unset = new Set<string>();
    const lookup = this.#lookup(unset);
    if (instruction.kind === 'arg') {
      for (const each of instruction.args) this.#declare(each, instruction, lookup);
      return { instruction, unset: [...unset] };
    }
    if (instruction.kind === 'run') this.#lookAtMounts(instruction, lookup);
    const expanded = attempt(() => expandInstruction(instruction, lookup, this.#escape));
    if (expanded?.kind === 'env') {
      for (const { key, value } of expanded.pairs) this.#values.set(key, value);
    }
    return { instruction: expanded, unset: [...unset] };
  }

  /** Of RUN only the values of its mounts are expanded by the builder. */
  #lookAtMounts(run: RunInstruction, lookup: (name: string) => string | undefined): void {
    const expand = (word: string): string => expandPart(run, word, lookup, this.#escape);
    for (const mount of run.mounts) attempt(() => parseMount(mount, expand));
  }

  #declare(
    { name, defaultValue }: ArgDefinition,
    instruction: Instruction,
    lookup: (name: string) => string | undefined,
  ): void {
    const { buildArgs, global } = this.#args;
    const given = ownValue(buildArgs, name);
    const expand = (text: string): string | undefined =>
      attempt(() => expandPart(instruction, text, lookup, this.#escape));
    const fallback = defaultValue === undefined ? ownValue(global, name) : undefined;
    const value =
      given ?? fallback ?? (defaultValue === undefined ? undefined : expand(defaultValue));
    this.#declared.add(name);
    if (value !== undefined) this.#values.set(name, value);
  }

  #lookup(unset: Set<string>): (name: string) => string | undefined {
    return (name) => {
      const value = this.#values.get(name);
      if (value === undefined && !this.#declared.has(name)) unset.add(name);
      return value;
    };
  }
}
