import type { Awaitable, Caller, Entry, FileSystem, NodeId } from '../fuse/filesystem.js';
import type { FuseLogger } from '../fuse/server/session.js';
import { FsError, errnoNumber } from '../sys/errno.js';
import type { Answer, Done } from './package.js';
import { PathWalk } from './path-walk.js';

/** Who asks: the package does not say. */
export const CALLER: Caller = { uid: 0, gid: 0, pid: 0 };
const EIO = -errnoNumber('EIO');

/** A file that a program has open; its node is held. */
export interface Handle {
  readonly nodeid: NodeId;
  readonly fh: number;
}

/** What the callbacks share: the file system, its nodes by path, and the open files. */
export class PathHost {
  readonly fs: FileSystem;
  readonly walk: PathWalk;
  readonly #logger: FuseLogger;
  readonly #handles = new Map<number, Handle>();
  #nextHandle = 1;

  constructor(fileSystem: FileSystem, logger: FuseLogger) {
    this.fs = fileSystem;
    this.walk = new PathWalk(fileSystem, CALLER);
    this.#logger = logger;
  }

  /** Runs an operation: its result, or its negative errno, goes to `done`. */
  run<T, U>(operation: string, done: Done<T, U>, action: () => Promise<Answer<T, U>>): void {
    action().then(
      (answer) => done(...answer),
      (error: unknown) => done(this.#errno(operation, error)),
    );
  }

  #errno(operation: string, error: unknown): number {
    if (error instanceof FsError) return error.errno;
    this.#logger.error({ err: error, operation }, 'file system failed');
    return EIO;
  }

  /** Runs an operation on a node that gives nothing. */
  onNode(
    operation: string,
    path: string,
    { done, action }: { done: Done; action: (nodeid: NodeId) => Awaitable<unknown> },
  ): void {
    this.run(operation, done, () =>
      this.walk.use(path, async (nodeid) => {
        await action(nodeid);
        return [0];
      }),
    );
  }

  /** Takes an answer's lookup back: nobody keeps the node. */
  forget({ nodeid }: Entry): void {
    this.walk.take(nodeid);
    this.walk.release(nodeid);
  }

  /** Keeps an open file, whose node is held already; returns its number: never 0. */
  open(handle: Handle): number {
    const number = this.#nextHandle++;
    this.#handles.set(number, handle);
    return number;
  }

  /** An open file by its number. */
  handle(number: number): Handle {
    const handle = this.#handles.get(number);
    if (handle === undefined) throw new FsError('EBADF', 'handle');
    return handle;
  }

  /** Ends an open file. */
  close(number: number): void {
    const handle = this.#handles.get(number);
    if (handle === undefined) return;
    this.#handles.delete(number);
    this.walk.release(handle.nodeid);
  }

  /** The mount has gone: forgets all nodes. */
  end(): void {
    for (const number of [...this.#handles.keys()]) this.close(number);
    this.walk.end();
    this.fs.destroy?.();
  }
}

/** Throws where the file system lacks an operation: the errno that the kernel would give. */
export function assertHas<K extends keyof FileSystem>(
  fs: FileSystem,
  method: K,
  code: string,
): asserts fs is FileSystem & Required<Pick<FileSystem, K>> {
  if (fs[method] === undefined) throw new FsError(code, method);
}
