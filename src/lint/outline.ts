import type { Buildfile, Instruction, RunInstruction, Stage } from '../dockerfile/ast.js';
import { findStage } from '../dockerfile/buildfile.js';
import { expandPart } from '../dockerfile/expand.js';
import { findMountFrom, parseMount } from '../dockerfile/mounts.js';
import { UserError } from '../util/errors.js';
import { suggest } from '../util/suggest.js';
import {
  attempt,
  descriptionOf,
  type FromScope,
  type GivenValues,
  globalScope,
  ownValue,
  parentIndex,
} from './global-scope.js';
import { StageValues } from './stage-values.js';

/** A stage, as `--call targets` lists it. */
export interface TargetInfo {
  readonly name: string | undefined;
  readonly isDefault: boolean;
  readonly description: string | undefined;
  /** As written. */
  readonly base: string;
  readonly platform: string | undefined;
  readonly line: number;
}

/** An argument that a target uses. */
export interface ArgInfo {
  readonly name: string;
  readonly value: string | undefined;
  readonly description: string | undefined;
  readonly line: number;
}

/** A secret or SSH key that a target asks for. */
export interface MountInfo {
  readonly id: string;
  readonly required: boolean;
  readonly line: number;
}

/** What a target takes, as `--call outline` tells it. */
export interface Outline {
  readonly name: string | undefined;
  readonly description: string | undefined;
  /** Each list in the order of the file. */
  readonly args: readonly ArgInfo[];
  readonly secrets: readonly MountInfo[];
  readonly ssh: readonly MountInfo[];
}

/** The stages of a file. */
export function listTargets({ stages }: Buildfile): TargetInfo[] {
  return stages.map(({ from, name, index }) => ({
    name,
    isDefault: index === stages.length - 1,
    description: descriptionOf(from.comments, name),
    base: from.image,
    platform: from.platform,
    line: from.source.startLine,
  }));
}

/** What a stage and those that it needs take. Throws TSB_USAGE if there is no such stage. */
export function outlineOf(
  buildfile: Buildfile,
  { target, ...given }: GivenValues & { target: string | undefined },
): Outline {
  const stage = findTarget(buildfile, target);
  const outline = new OutlineBuilder(buildfile, given);
  outline.add(stage.index);
  const { name, from } = stage;
  const byLine = <T extends { line: number }>(items: Iterable<T>): T[] =>
    [...items].sort((a, b) => a.line - b.line);
  return {
    name,
    description: descriptionOf(from.comments, name),
    args: byLine(outline.args.values()),
    secrets: byLine(outline.secrets.values()),
    ssh: byLine(outline.ssh.values()),
  };
}

function findTarget({ stages }: Buildfile, target: string | undefined): Stage {
  const found = target === undefined ? stages.at(-1) : findStage(stages, target, stages.length);
  if (found !== undefined) return found;
  const names = stages.flatMap(({ name }) => name ?? []);
  const near = suggest(target ?? '', names);
  const hint = near === undefined ? `The stages are ${names.join(', ')}` : `Did you mean ${near}?`;
  throw new UserError('TSB_USAGE', `Cannot find stage "${target ?? ''}"`, { hint });
}

/** What one stage takes by itself. */
interface StageTakes {
  readonly values: StageValues;
  readonly args: readonly ArgInfo[];
  /** Arguments above the first FROM that it uses. */
  readonly globals: readonly string[];
  readonly secrets: readonly MountInfo[];
  readonly ssh: readonly MountInfo[];
}

/** Goes through the stages that a target needs, its own first: what is found first counts. */
class OutlineBuilder {
  readonly args = new Map<string, ArgInfo>();
  readonly secrets = new Map<string, MountInfo>();
  readonly ssh = new Map<string, MountInfo>();
  readonly #buildfile: Buildfile;
  readonly #given: GivenValues;
  readonly #scope: FromScope;
  readonly #added = new Set<number>();
  readonly #takes = new Map<number, StageTakes>();

  constructor(buildfile: Buildfile, given: GivenValues) {
    this.#buildfile = buildfile;
    this.#given = given;
    this.#scope = globalScope(buildfile, given);
  }

  add(index: number): void {
    const stage = this.#buildfile.stages[index];
    if (stage === undefined || this.#added.has(index)) return;
    this.#added.add(index);
    const { args, globals, secrets, ssh } = this.#takesOf(stage);
    for (const arg of args) if (!this.args.has(arg.name)) this.args.set(arg.name, arg);
    for (const name of globals) this.#addGlobal(name);
    for (const secret of secrets)
      if (!this.secrets.has(secret.id)) this.secrets.set(secret.id, secret);
    for (const key of ssh) if (!this.ssh.has(key.id)) this.ssh.set(key.id, key);
    const parent = this.#parentOf(stage);
    if (parent !== undefined) this.add(parent.index);
    for (const instruction of stage.instructions) {
      for (const other of this.#neededBy(instruction, index)) this.add(other);
    }
  }

  #parentOf(stage: Stage): Stage | undefined {
    const index = parentIndex(stage, { buildfile: this.#buildfile, scope: this.#scope });
    return index === undefined ? undefined : this.#buildfile.stages[index];
  }

  #takesOf(stage: Stage): StageTakes {
    const known = this.#takes.get(stage.index);
    if (known !== undefined) return known;
    const parent = this.#parentOf(stage);
    const values = new StageValues(parent && this.#takesOf(parent).values, {
      args: { buildArgs: this.#given.buildArgs, global: this.#scope.values },
      escape: this.#scope.escape,
    });
    const args: ArgInfo[] = [];
    const globals = this.#usedByFrom(stage);
    const mounts: { type: 'secret' | 'ssh'; info: MountInfo }[] = [];
    for (const instruction of stage.instructions) {
      values.apply(instruction);
      if (instruction.kind === 'run') mounts.push(...this.#mountsOf(instruction, values));
      if (instruction.kind !== 'arg') continue;
      for (const { name, defaultValue } of instruction.args) {
        const isGiven = ownValue(this.#given.buildArgs, name) !== undefined;
        if (defaultValue === undefined && !isGiven && this.#scope.declared.has(name)) {
          globals.push(name);
          continue;
        }
        const description = descriptionOf(instruction.comments, name);
        const { startLine: line } = instruction.source;
        // The last one counts: it may be made of those above.
        args.unshift({ name, value: values.find(name), description, line });
      }
    }
    const of = (type: 'secret' | 'ssh'): MountInfo[] =>
      mounts.filter((mount) => mount.type === type).map(({ info }) => info);
    const takes = { values, args, globals, secrets: of('secret'), ssh: of('ssh') };
    this.#takes.set(stage.index, takes);
    return takes;
  }

  /** An argument above the first FROM, and those that its default has. */
  #addGlobal(name: string): void {
    const arg = this.#scope.args.get(name);
    if (arg === undefined || this.args.has(name)) return;
    const { description, line, uses } = arg;
    this.args.set(name, { name, value: ownValue(this.#scope.values, name), description, line });
    for (const each of uses) this.#addGlobal(each);
  }

  #usedByFrom({ from }: Stage): string[] {
    const used: string[] = [];
    for (const text of [from.image, from.platform ?? '']) {
      const lookup = (name: string): string | undefined => {
        used.push(name);
        return ownValue(this.#scope.values, name);
      };
      attempt(() => expandPart(from, text, lookup, this.#scope.escape));
    }
    return used;
  }

  #mountsOf(
    run: RunInstruction,
    values: StageValues,
  ): { type: 'secret' | 'ssh'; info: MountInfo }[] {
    const { escape } = this.#scope;
    const expand = (word: string): string =>
      expandPart(run, word, (name) => values.find(name), escape);
    return run.mounts.flatMap((text) => {
      const mount = attempt(() => parseMount(text, expand));
      if (mount?.type !== 'secret' && mount?.type !== 'ssh') return [];
      const { type, id, required } = mount;
      return [{ type, info: { id, required, line: run.source.startLine } }];
    });
  }

  #neededBy(instruction: Instruction, index: number): number[] {
    const froms =
      instruction.kind === 'copy'
        ? [instruction.from]
        : instruction.kind === 'run'
          ? instruction.mounts.map((text) => attempt(() => findMountFrom(text)))
          : [];
    return froms.flatMap((from) => {
      const stage = from === undefined ? undefined : findStage(this.#buildfile.stages, from, index);
      return stage === undefined ? [] : [stage.index];
    });
  }
}
