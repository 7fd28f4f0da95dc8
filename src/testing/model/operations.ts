import type { Time } from '../../fuse/filesystem.js';

/**
 * What the random test does to a file system, by name. Paths and names are bytes, one latin1
 * character each; '' is the root. A slot holds an open file (or directory), as a descriptor does.
 */
export interface OperationFields {
  mkdir: { path: string; mode: number };
  create: { path: string; mode: number; slot: number; exclusive: boolean };
  open: { path: string; slot: number; truncate: boolean };
  opendir: { path: string; slot: number };
  tmpfile: { path: string; mode: number; slot: number };
  close: { slot: number };
  write: { slot: number; offset: number; length: number; seed: number };
  read: { slot: number; offset: number; length: number };
  ftruncate: { slot: number; size: number };
  truncate: { path: string; size: number };
  unlink: { path: string };
  rmdir: { path: string };
  rename: { path: string; to: string; flags: number };
  link: { path: string; to: string };
  linkSlot: { slot: number; to: string };
  symlink: { path: string; target: string };
  readlink: { path: string };
  chmod: { path: string; mode: number };
  fchmod: { slot: number; mode: number };
  /** An id of -1 stays. */
  chown: { path: string; uid: number; gid: number };
  fchown: { slot: number; uid: number; gid: number };
  /** A time left out stays. */
  utimens: { path: string; atime?: Time; mtime?: Time };
  futimens: { slot: number; atime?: Time; mtime?: Time };
  setxattr: { path: string; name: string; length: number; seed: number; flags: number };
  getxattr: { path: string; name: string };
  listxattr: { path: string };
  removexattr: { path: string; name: string };
  mknod: { path: string; mode: number; major: number; minor: number };
  fallocate: { slot: number; mode: number; offset: number; length: number };
  copy: { slot: number; offset: number; toSlot: number; toOffset: number; length: number };
  lseek: { slot: number; offset: number; whence: number };
  readdir: { path: string };
  readdirSlot: { slot: number };
  stat: { path: string };
  fstat: { slot: number };
  readFile: { path: string };
  /** The kernel drops names that nobody uses, each with a chance of `percent`. */
  forget: { percent: number; seed: number };
  /** The step ends: its layer is made, and the next step begins on top of it. */
  commit: object;
  /** Everything is looked at. */
  verify: object;
}

/** The name of an operation. */
export type OperationName = keyof OperationFields;
/** One operation. */
export type Operation = {
  [K in OperationName]: { readonly op: K } & Readonly<OperationFields[K]>;
}[OperationName];
/** Operations that a file system answers itself. */
export type FileOperation = Exclude<OperationName, 'commit' | 'forget' | 'verify'>;
/** An answer for each of them. */
export type Handlers = {
  readonly [K in FileOperation]: (op: Readonly<OperationFields[K]>) => Outcome;
};

/** Attributes. A time that is undefined may be anything. */
export interface ModelStat {
  readonly ino: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly nlink: number;
  readonly size: number;
  readonly rdevMajor: number;
  readonly rdevMinor: number;
  readonly atime: Time | undefined;
  readonly mtime: Time | undefined;
  readonly ctime: Time | undefined;
}

/** A name of a listing. */
export interface ModelEntry {
  readonly name: string;
  readonly ino: number;
  readonly type: number;
}

/** What an operation answered. */
export interface Outcome {
  readonly error?: string;
  readonly stat?: ModelStat;
  readonly bytes?: Buffer;
  readonly text?: string;
  readonly names?: readonly string[];
  readonly entries?: readonly ModelEntry[];
  readonly count?: number;
  /** Of lseek; undefined with `skipped`: the file system leaves it to the kernel. */
  readonly position?: number;
  readonly skipped?: boolean;
}

/** Something that the operations are done to. */
export interface Subject {
  readonly handlers: Handlers;
  forget(op: OperationFields['forget']): void;
}

/** How many files can be open at once. */
export const SLOTS = 4;
/** What a write writes. */
export function patternOf(seed: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  const unit = Buffer.from(`<${seed.toString(36)}>`);
  bytes.fill(unit);
  return bytes;
}

/** The value of an extended attribute: well-formed where the kernel looks at it. */
export function xattrValue(name: string, seed: number, length: number): Buffer {
  if (name !== 'security.capability') return patternOf(seed, length);
  const value = Buffer.alloc(20);
  value.writeUInt32LE(0x02000001, 0);
  value.writeUInt32LE(1 << (seed % 12), 4);
  return value;
}

/** Splits a path into the directory's and the last name. */
export function splitPath(path: string): { dir: string; name: string } {
  const slash = path.lastIndexOf('/');
  return { dir: slash < 0 ? '' : path.slice(0, slash), name: path.slice(slash + 1) };
}

/** Does an operation to a subject. */
export function perform(subject: Subject, operation: Operation): Outcome {
  if (operation.op === 'forget') {
    subject.forget(operation);
    return {};
  }
  if (operation.op === 'commit' || operation.op === 'verify') return {};
  const handler = subject.handlers[operation.op] as (op: Operation) => Outcome;
  return handler(operation);
}

/** An operation as a line of a script. */
export function formatOperation(operation: Operation): string {
  const { op, ...fields } = operation;
  const values = Object.entries(fields).map(([key, value]) => `${key}=${JSON.stringify(value)}`);
  return [op, ...values].join(' ');
}
