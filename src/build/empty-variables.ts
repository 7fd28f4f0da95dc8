import type { FromInstruction } from '../dockerfile/ast.js';
import { sourceOf } from '../dockerfile/locate.js';
import type { Lookup } from '../dockerfile/words.js';
import { UserError } from '../util/errors.js';

/** A FROM, and its variables. */
export interface FromVariables {
  readonly from: FromInstruction;
  readonly lookup: Lookup;
  /** Names that an ARG above FROM has. */
  readonly declared: readonly string[];
}

/** Stands for a missing value. */
const ANY_VALUE = 'x';

/**
 * Runs `work`, which expands the FROM. Where it fails because a variable has no value, the error
 * says so: TSB_PARSE, with the instruction's position.
 */
export function blamingVariables<T>(
  { from, lookup, declared }: FromVariables,
  work: (lookup: Lookup) => T,
): T {
  const empty = new Set<string>();
  try {
    return work((name) => {
      const value = lookup(name);
      if (value === undefined || value === '') empty.add(name);
      return value;
    });
  } catch (error) {
    const name = [...empty].find((each) => isPlain(from.image, each));
    if (!(error instanceof UserError) || name === undefined) throw error;
    if (!succeeds(() => work((each) => lookup(each) || ANY_VALUE))) throw error;
    const given = `--build-arg ${name}=VALUE`;
    throw new UserError('TSB_PARSE', `Cannot expand FROM "${from.image}": ${name} has no value`, {
      hint: declared.includes(name)
        ? `Give it one with ${given}, or in the file with ARG ${name}=DEFAULT`
        : `Write ARG ${name}=DEFAULT above the first FROM; ${given} then beats it`,
      source: sourceOf(from, { text: from.image }),
      cause: error,
    });
  }
}

/** Whether a variable is used without `:-` or the like, which say what to do without a value. */
function isPlain(text: string, name: string): boolean {
  return new RegExp(`\\$(?:${name}(?!\\w)|\\{${name}\\})`).test(text);
}

function succeeds(work: () => unknown): boolean {
  try {
    work();
    return true;
  } catch (error) {
    if (error instanceof UserError) return false;
    throw error;
  }
}
