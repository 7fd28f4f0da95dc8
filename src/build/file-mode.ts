import { UserError } from '../util/errors.js';

/**
 * `--chmod`: an octal number (`0755`), or chmod(1)'s symbolic form
 * (`u=rwX,go=rX`, `+x`, `g-w`, `o=u`). X is x for directories and for files that have an x.
 */
export type ModeChange = (mode: number, isDirectory: boolean) => number;

const PERMISSION_BITS = 0o7777;
const SETUID = 0o4000;
const SETGID = 0o2000;
const STICKY = 0o1000;
const EXECUTE_ANY = 0o111;

/** Parses the flag's value; a UserError names what is wrong with it. */
export function parseModeChange(text: string): ModeChange {
  if (/^[0-7]{1,5}$/.test(text)) {
    const mode = Number.parseInt(text, 8);
    if (mode <= PERMISSION_BITS) return () => mode;
  }
  const clauses = text.split(',').map((clause) => parseClause(clause, text));
  return (mode, isDirectory) =>
    clauses.reduce((value, apply) => apply(value, isDirectory), mode & PERMISSION_BITS);
}

/** How far left of "other" the permission triple of a class lies. */
const SHIFTS: Readonly<Record<string, number>> = { u: 6, g: 3, o: 0 };

function parseClause(clause: string, whole: string): ModeChange {
  const match = /^([ugoa]*)((?:[-+=](?:[ugo]|[rwxXst]*))+)$/.exec(clause);
  if (match === null) {
    throw new UserError('TSB_COPY', `Cannot use --chmod="${whole}": want octal or symbolic mode`, {
      hint: 'For example --chmod=755 or --chmod=u=rwX,go=rX',
    });
  }
  const [, who = '', operations = ''] = match;
  const classes = who === '' || who.includes('a') ? ['u', 'g', 'o'] : [...new Set(who)];
  const parsed = [...operations.matchAll(/([-+=])([ugo]|[rwxXst]*)/g)];
  return (mode, isDirectory) =>
    parsed.reduce((value, [, operator = '', permissions = '']) => {
      const set = bitsOf(permissions, { classes, mode: value, isDirectory });
      if (operator === '+') return value | set;
      if (operator === '-') return value & ~set;
      return (value & ~clearedBy(classes)) | set;
    }, mode);
}

function bitsOf(
  permissions: string,
  { classes, mode, isDirectory }: { classes: string[]; mode: number; isDirectory: boolean },
): number {
  let triple = 0;
  let special = 0;
  for (const letter of permissions) {
    if (letter === 'r') triple |= 4;
    else if (letter === 'w') triple |= 2;
    else if (letter === 'x') triple |= 1;
    else if (letter === 'X') triple |= isDirectory || (mode & EXECUTE_ANY) !== 0 ? 1 : 0;
    else if (letter === 't') special |= STICKY;
    else if (letter === 's') {
      special |= (classes.includes('u') ? SETUID : 0) | (classes.includes('g') ? SETGID : 0);
    } else triple |= (mode >> (SHIFTS[letter] ?? 0)) & 7;
  }
  return classes.reduce((bits, name) => bits | (triple << (SHIFTS[name] ?? 0)), special);
}

function clearedBy(classes: string[]): number {
  const triples = classes.reduce((bits, name) => bits | (7 << (SHIFTS[name] ?? 0)), 0);
  const uid = classes.includes('u') ? SETUID : 0;
  const gid = classes.includes('g') ? SETGID : 0;
  return triples | uid | gid | (classes.length === 3 ? STICKY : 0);
}
