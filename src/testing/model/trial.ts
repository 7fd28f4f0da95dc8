import type { Time } from '../../fuse/filesystem.js';
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG, S_ISVTX } from '../../sys/constants.js';
import { FsError } from '../../sys/errno.js';
import { Comparison, type SameTime } from './compare.js';
import type { ModelInode } from './model-inode.js';
import { ModelTree } from './model-tree.js';
import {
  formatOperation,
  perform,
  splitPath,
  type Operation,
  type Outcome,
  type Subject,
} from './operations.js';

/** A difference between a file system and the model. */
export interface Difference {
  readonly index: number;
  readonly message: string;
}

/** Where the model's clock starts: a second for each operation, far from times that are set. */
export const CLOCK_START_SEC = 1_500_000_000;

/** The time of an operation. */
export function timeOf(index: number): Time {
  return { sec: CLOCK_START_SEC + index, nsec: 0 };
}

/** The answer of a subject: failures are answers, too. */
export function answerOf(subject: Subject, operation: Operation): Outcome {
  try {
    return perform(subject, operation);
  } catch (error) {
    if (error instanceof FsError) return { error: error.code };
    throw error;
  }
}

const OPENED = [S_IFREG, S_IFDIR, S_IFLNK];

/** Whether an operation means something to every file system in the model's state. */
function isMeaningful(model: ModelTree, operation: Operation): boolean {
  const typeOf = (node: ModelInode | undefined): number => (node?.mode ?? S_IFREG) & S_IFMT;
  switch (operation.op) {
    case 'create': {
      const known = model.find(operation.path);
      const { mode = 0 } = model.find(splitPath(operation.path).dir) ?? {};
      // The machine may have fs.protected_regular set.
      if (known !== undefined && (mode & S_ISVTX) !== 0) return false;
      return OPENED.includes(typeOf(known));
    }
    case 'open':
    case 'truncate':
      return OPENED.includes(typeOf(model.find(operation.path)));
    case 'write':
    case 'read':
    case 'ftruncate':
    case 'fallocate':
    case 'lseek':
      return typeOf(model.slots[operation.slot]) === S_IFREG;
    case 'readdirSlot':
      return typeOf(model.slots[operation.slot]) === S_IFDIR;
    case 'copy': {
      const { slot, offset, toSlot, toOffset, length } = operation;
      const [from, to] = [model.slots[slot], model.slots[toSlot]];
      if (typeOf(from) !== S_IFREG || typeOf(to) !== S_IFREG) return false;
      return from !== to || Math.abs(offset - toOffset) >= length;
    }
    default:
      return true;
  }
}

/** What is known of a subject. */
export interface TrialOptions {
  /** The number of a file that is gone may soon be another's. */
  readonly reusesNumbers?: boolean;
}

/** A subject beside the model: every operation is done to both. */
export class Trial {
  readonly model: ModelTree;
  readonly comparison: Comparison;
  readonly #reusesNumbers: boolean;
  #index = 0;

  constructor(sameTime: SameTime, { reusesNumbers = false }: TrialOptions = {}) {
    this.#reusesNumbers = reusesNumbers;
    this.model = new ModelTree(timeOf(0));
    this.comparison = new Comparison(sameTime);
  }

  get index(): number {
    return this.#index;
  }

  /** Does an operation to the model, and to the subject if there is one; says what differs. */
  step(operation: Operation, subject?: Subject): string | undefined {
    this.#index += 1;
    this.model.now = timeOf(this.#index);
    if (!isMeaningful(this.model, operation)) return undefined;
    if (operation.op === 'verify') return subject && this.verify(subject);
    const want = answerOf(this.model, operation);
    if (subject === undefined) return undefined;
    const found = answerOf(subject, operation);
    const difference = this.comparison.difference(operation, want, found);
    this.#forgetDead();
    return difference;
  }

  /** A step ended. */
  commit(): void {
    this.model.commit();
    this.comparison.forgetNumbers();
  }

  /** Numbers of files that nobody has any more may come again. */
  #forgetDead(): void {
    if (!this.#reusesNumbers) return;
    const alive = new Set<number>(this.model.slots.flatMap((node) => (node ? [node.id] : [])));
    for (const [, { id }] of this.model.walk()) alive.add(id);
    this.comparison.keep((id) => alive.has(id));
  }

  /** Compares everything. */
  verify(subject: Subject, comparison: Comparison = this.comparison): string | undefined {
    for (const [path, node] of this.model.walk()) {
      for (const operation of questionsAbout(path, node)) {
        const want = answerOf(this.model, operation);
        const difference = comparison.difference(operation, want, answerOf(subject, operation));
        if (difference !== undefined) return `${formatOperation(operation)}: ${difference}`;
      }
    }
    return undefined;
  }
}

function questionsAbout(path: string, { mode, xattrs }: ModelInode): Operation[] {
  const questions: Operation[] = [
    { op: 'stat', path },
    { op: 'listxattr', path },
  ];
  const type = mode & S_IFMT;
  if (type === S_IFREG) questions.push({ op: 'readFile', path });
  if (type === S_IFLNK) questions.push({ op: 'readlink', path });
  if (type === S_IFDIR) questions.push({ op: 'readdir', path });
  for (const name of xattrs.keys()) questions.push({ op: 'getxattr', path, name });
  return questions;
}
