import type { ArgDefinition, EscapeToken, Instruction } from '../dockerfile/ast.js';
import { expandInstruction, expandPart } from '../dockerfile/expand.js';
import { placed } from '../dockerfile/locate.js';
import { parseMount } from '../dockerfile/mounts.js';
import type { UserError } from '../util/errors.js';
import { attempt, ownValue } from './global-scope.js';

/** What is known of the image that a stage begins with. */
export interface BaseImage {
  readonly env: Readonly<Record<string, string>>;
  /** Whether it has a SHELL of its own. */
  readonly hasShell: boolean;
  /** Its ONBUILD instructions, as text. */
  readonly triggers?: readonly string[];
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
  /** Undefined: it cannot be expanded. */
  readonly instruction: I | undefined;
  /** Names that nothing declares. */
  readonly unset: readonly string[];
  /** Why it cannot be expanded; only where it is certain that the build would say so, too. */
  readonly error: UserError | undefined;
}

/** The variables of a stage while its instructions are read one after the other. */
export class StageValues {
  readonly #values: Map<string, string>;
  /** What the image keeps: a stage that is FROM this one begins with it. */
  readonly #env: Map<string, string>;
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
    this.#env = new Map(isStage ? base.#env : Object.entries(base?.env ?? {}));
    this.#values = new Map([...(isStage ? base.#values : []), ...this.#env]);
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
    const missed = new Set<string>();
    const unset = new Set<string>();
    const lookup = (name: string): string | undefined => {
      const value = this.#values.get(name);
      if (value === undefined) missed.add(name);
      if (value === undefined && !this.#declared.has(name)) unset.add(name);
      return value;
    };
    let error: UserError | undefined;
    const expanded = attempt(
      () => this.#expand(instruction, lookup),
      (failure) => (error = failure),
    );
    if (expanded?.kind === 'env') {
      for (const { key, value } of expanded.pairs) {
        this.#values.set(key, value);
        this.#env.set(key, value);
      }
    }
    // Also where a default could not be expanded.
    if (instruction.kind === 'arg') {
      for (const { name } of instruction.args) this.#declared.add(name);
    }
    const isCertain = this.isBaseKnown || missed.size === 0;
    return { instruction: expanded, unset: [...unset], error: isCertain ? error : undefined };
  }

  #expand<I extends Instruction>(instruction: I, lookup: (name: string) => string | undefined): I {
    if (instruction.kind === 'arg') {
      for (const each of instruction.args) this.#declare(each, instruction, lookup);
      return instruction;
    }
    if (instruction.kind === 'run') {
      const expand = (word: string): string => expandPart(instruction, word, lookup, this.#escape);
      for (const mount of instruction.mounts) located(instruction, () => parseMount(mount, expand));
    }
    return expandInstruction(instruction, lookup, this.#escape);
  }

  #declare(
    { name, defaultValue }: ArgDefinition,
    instruction: Instruction,
    lookup: (name: string) => string | undefined,
  ): void {
    const { buildArgs, global } = this.#args;
    const given = ownValue(buildArgs, name);
    const fallback = defaultValue === undefined ? ownValue(global, name) : undefined;
    const value =
      given ??
      fallback ??
      (defaultValue === undefined
        ? undefined
        : expandPart(instruction, defaultValue, lookup, this.#escape));
    if (value !== undefined) this.#values.set(name, value);
    this.#declared.add(name);
  }
}

/** Runs `work`; its error gets the position of the instruction. */
export function located<T>(instruction: Instruction, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw placed(error, instruction);
  }
}
