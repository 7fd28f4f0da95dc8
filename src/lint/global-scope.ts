import type { Buildfile, EscapeToken, Stage } from '../dockerfile/ast.js';
import { expandPart } from '../dockerfile/expand.js';
import { UserError } from '../util/errors.js';

/** An ARG above the first FROM. */
export interface GlobalArg {
  /** Undefined: it has none. */
  readonly value: string | undefined;
  readonly line: number;
  readonly description: string | undefined;
  /** Variables that its default has, those of earlier definitions of it included. */
  readonly uses: ReadonlySet<string>;
}

/** The values that FROM sees. */
export interface FromScope {
  /** ARGs above the first FROM as they are in this build, and the platform's. */
  readonly values: Readonly<Record<string, string>>;
  /** The same without build arguments. */
  readonly defaults: Readonly<Record<string, string>>;
  /** Also those without a value. */
  readonly declared: ReadonlySet<string>;
  readonly args: ReadonlyMap<string, GlobalArg>;
  readonly escape: EscapeToken;
}

/** What gives variables their values from outside of the file. */
export interface GivenValues {
  readonly buildArgs: Readonly<Record<string, string>>;
  /** TARGETPLATFORM and its kin. */
  readonly predefined: Readonly<Record<string, string>>;
}

export function globalScope(
  buildfile: Buildfile,
  { buildArgs, predefined }: GivenValues,
): FromScope {
  const now = resolve(buildfile, { buildArgs, predefined });
  return {
    values: now.values,
    defaults: resolve(buildfile, { buildArgs: {}, predefined }).values,
    declared: new Set([...Object.keys(predefined), ...now.args.keys()]),
    args: now.args,
    escape: buildfile.directives.escape,
  };
}

function resolve(
  { globalArgs, directives }: Buildfile,
  { buildArgs, predefined }: GivenValues,
): { values: Record<string, string>; args: Map<string, GlobalArg> } {
  const values: Record<string, string> = { ...predefined };
  const args = new Map<string, GlobalArg>();
  for (const instruction of globalArgs) {
    for (const { name, defaultValue } of instruction.args) {
      const uses = new Set<string>();
      const lookup = (each: string): string | undefined => {
        uses.add(each);
        return ownValue(values, each);
      };
      const given = ownValue(buildArgs, name);
      const value =
        given ??
        (defaultValue === undefined
          ? undefined
          : attempt(() => expandPart(instruction, defaultValue, lookup, directives.escape)));
      if (uses.delete(name)) for (const each of args.get(name)?.uses ?? []) uses.add(each);
      if (value !== undefined) values[name] = value;
      args.set(name, {
        value,
        line: instruction.source.startLine,
        description: descriptionOf(instruction.comments, name),
        uses,
      });
    }
  }
  return { values, args };
}

/** What a comment says of a name: `# NAME description`. */
export function descriptionOf(
  comments: readonly string[] | undefined,
  name: string | undefined,
): string | undefined {
  if (name === undefined) return undefined;
  const found = comments?.find((comment) => comment.startsWith(`${name} `));
  return found?.slice(name.length + 1);
}

/** The earlier stage that a stage is FROM, by its index. */
export function parentIndex(
  { from, index }: Pick<Stage, 'from' | 'index'>,
  { buildfile, scope }: { buildfile: Buildfile; scope: FromScope },
): number | undefined {
  const image = attempt(() =>
    expandPart(from, from.image, (name) => ownValue(scope.values, name), scope.escape),
  );
  const parent = buildfile.stages
    .slice(0, index)
    .findLast(({ name }) => name !== undefined && name === image?.toLowerCase());
  return parent?.index;
}

/** Undefined for what cannot be done: `onError`, or the build, says so. */
export function attempt<T>(
  work: () => T,
  onError: (error: UserError) => void = () => undefined,
): T | undefined {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    onError(error);
    return undefined;
  }
}

/** A record's own value: names such as `constructor` have none. */
export function ownValue(
  record: Readonly<Record<string, string>>,
  name: string,
): string | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}
