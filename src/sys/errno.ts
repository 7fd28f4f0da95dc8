import { getSystemErrorMap } from 'node:util';

const NAMES = new Map<number, string>();
const NUMBERS = new Map<string, number>();
for (const [errno, [name]] of getSystemErrorMap()) {
  NAMES.set(-errno, name);
  NUMBERS.set(name, -errno);
}
// Linux codes that libuv does not name. Source: asm-generic/errno.h.
for (const [name, errno] of [
  ['ENODATA', 61],
  ['ENOLCK', 37],
  ['ENOTBLK', 15],
  ['ECHILD', 10],
  ['ENOEXEC', 8],
  ['ESTALE', 116],
  ['EDQUOT', 122],
  ['EDEADLK', 35],
  ['EUCLEAN', 117],
] as const) {
  NAMES.set(errno, name);
  NUMBERS.set(name, errno);
}
// Second names of a number: understood, never given.
NUMBERS.set('EOPNOTSUPP', 95);
NUMBERS.set('EWOULDBLOCK', 11);

/** The name of a positive errno, `ENOENT` for 2; `E<number>` where Linux has none we know. */
export function errnoName(errno: number): string {
  return NAMES.get(errno) ?? `E${errno}`;
}

/** The positive number of an errno name; throws on an unknown one. */
export function errnoNumber(name: string): number {
  const errno = NUMBERS.get(name);
  if (errno === undefined) throw new Error(`Cannot find errno ${name}`);
  return errno;
}

/**
 * A failed file-system operation, in the shape of Node's own errors: `code` is the name,
 * `errno` the negative number. Thrown by system calls and by file systems (the FUSE session
 * turns it into the reply's error).
 */
export class FsError extends Error {
  override name = 'FsError';
  readonly code: string;
  /** Negative, as in Node and in `fuse_out_header`. */
  readonly errno: number;
  readonly syscall: string;
  readonly path: string | undefined;

  constructor(code: string | number, syscall: string, path?: string) {
    const name = typeof code === 'number' ? errnoName(code) : code;
    super(`${name}: ${syscall}${path === undefined ? '' : ` '${path}'`}`);
    this.code = name;
    this.errno = -(typeof code === 'number' ? code : errnoNumber(code));
    this.syscall = syscall;
    this.path = path;
  }
}

/** Whether an error is a failed system call's or operation's: of this class, or Node's own. */
export function isSystemError(
  error: unknown,
): error is Error & { readonly code: string; readonly syscall: string } {
  return error instanceof Error && 'syscall' in error && 'code' in error;
}
