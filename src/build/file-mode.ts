import { UserError } from '../util/errors.js';

/**
 * `--chmod`: an octal number (`0755`), or chmod(1)'s symbolic form as BSD has it
 * (`u=rwX,go=rX`, `+x`, `g-w`, `o=u`). X is x for directories and for files that had an x.
 */
export interface ModeChange {
  /** The number, which directories that are made on the way get too; undefined: symbolic. */
  readonly absolute: number | undefined;
  readonly apply: (mode: number, isDirectory: boolean) => number;
}

const PERMISSION_BITS = 0o7777;
const SETUID = 0o4000;
const SETGID = 0o2000;
const STICKY = 0o1000;
const READ_ALL = 0o444;
const WRITE_ALL = 0o222;
const EXECUTE_ALL = 0o111;
/** A triple times this is the triple for all three classes. */
const ALL_CLASSES = 0o111;

/** Parses the flag's value; a UserError names what is wrong with it. */
export function parseModeChange(text: string): ModeChange {
  if (/^[0-7]+$/.test(text)) {
    const absolute = Number.parseInt(text, 8);
    if (absolute > PERMISSION_BITS) throw malformed(text);
    return { absolute, apply: () => absolute };
  }
  const clauses = text.split(',').map((clause) => parseClause(clause, text));
  const steps = clauses.flat();
  return {
    absolute: undefined,
    apply: (mode, isDirectory) => {
      const old = mode & PERMISSION_BITS;
      const hasExecute = isDirectory || (old & EXECUTE_ALL) !== 0;
      return steps.reduce((value, step) => applyStep(value, step, hasExecute), old);
    },
  };
}

/** The bits that a class may change. */
const CLASS_BITS: Readonly<Record<string, number>> = {
  u: SETUID | 0o700,
  g: SETGID | 0o070,
  o: 0o007,
  a: SETUID | SETGID | 0o777,
};

/** How far left of "other" the permission triple of a class lies. */
const SHIFTS: Readonly<Record<string, number>> = { u: 6, g: 3, o: 0 };

type Operator = '+' | '-' | '=';

/** One change: of the bits in `who`, with the bits that letters name, or another class's triple. */
interface Step {
  readonly operator: Operator;
  readonly who: number;
  readonly bits: number;
  /** x, where {@link ModeChange} says so. */
  readonly conditional: number;
  readonly copyOf: 'u' | 'g' | 'o' | undefined;
}

function applyStep(mode: number, step: Step, hasExecute: boolean): number {
  const { operator, who, copyOf } = step;
  const triple = copyOf === undefined ? 0 : (mode >> (SHIFTS[copyOf] ?? 0)) & 7;
  const copied = triple * ALL_CLASSES;
  const set = (step.bits | copied | (hasExecute ? step.conditional : 0)) & who;
  switch (operator) {
    case '+':
      return mode | set;
    case '-':
      return mode & ~set;
    case '=':
      // Copying a triple leaves set-user-id and set-group-id alone.
      return (mode & ~(copyOf === undefined ? who : who & 0o777)) | set;
  }
}

function parseClause(clause: string, whole: string): Step[] {
  const match = /^([ugoa]*)((?:[-+=][rwxXstugo]*)+)$/.exec(clause);
  if (match === null) throw malformed(whole);
  const [, classes = '', operations = ''] = match;
  const named = Array.from(classes).reduce((bits, name) => bits | (CLASS_BITS[name] ?? 0), 0);
  const who = classes === '' ? (CLASS_BITS.a ?? 0) : named;
  return [...operations.matchAll(/([-+=])([rwxXstugo]*)/g)].flatMap(([, operator, letters = '']) =>
    parseOperation(operator as Operator, letters, who),
  );
}

function parseOperation(operator: Operator, letters: string, who: number): Step[] {
  const steps: Step[] = [];
  // Of "other" alone, s and t mean nothing.
  const hasSpecial = (who & ~0o007) !== 0;
  for (const [run] of letters.matchAll(/[ugo]|[^ugo]+/g)) {
    if (run === 'u' || run === 'g' || run === 'o') {
      steps.push({ operator, who, bits: 0, conditional: 0, copyOf: run });
      continue;
    }
    const has = (letter: string): boolean => run.includes(letter);
    const sticky = has('t') && hasSpecial ? STICKY : 0;
    const bits =
      (has('r') ? READ_ALL : 0) |
      (has('w') ? WRITE_ALL : 0) |
      (has('x') ? EXECUTE_ALL : 0) |
      (has('s') && hasSpecial ? SETUID | SETGID : 0) |
      sticky;
    const conditional = has('X') ? EXECUTE_ALL : 0;
    steps.push({ operator, who: who | sticky, bits, conditional, copyOf: undefined });
  }
  if (steps.length > 0 || operator !== '=') return steps;
  return [{ operator, who, bits: 0, conditional: 0, copyOf: undefined }];
}

function malformed(text: string): UserError {
  return new UserError(
    'TSB_COPY',
    `Cannot use --chmod="${text}": want an octal number up to 7777, or a symbolic mode`,
    { hint: 'For example --chmod=755 or --chmod=u=rwX,go=rX' },
  );
}
