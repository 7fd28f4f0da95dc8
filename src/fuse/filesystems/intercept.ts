import type { DirSink, FileSystem } from '../filesystem.js';

/** The operations of a file system by name. */
export type OperationName = keyof FileSystem;

/** Sees the calls of a file system; `T` is what it keeps of a call until its end. */
export interface Interceptor<T> {
  began(operation: OperationName, args: readonly unknown[]): T;
  /** `result` is the handler's; of `readdir` the number of entries that it listed. */
  succeeded(call: T, result: unknown): void;
  failed(call: T, error: unknown): void;
}

type Handler = (...args: unknown[]) => unknown;

/** What each operation is called with. */
export const ARGUMENTS: Readonly<Record<OperationName, readonly string[]>> = {
  lookup: ['parent', 'name', 'caller'],
  forget: ['nodeid', 'nlookup'],
  getattr: ['nodeid', 'caller'],
  setattr: ['nodeid', 'change', 'caller'],
  readlink: ['nodeid', 'caller'],
  mknod: ['make', 'caller'],
  mkdir: ['make', 'caller'],
  symlink: ['parent', 'name', 'target', 'caller'],
  link: ['nodeid', 'parent', 'name', 'caller'],
  unlink: ['parent', 'name', 'caller'],
  rmdir: ['parent', 'name', 'caller'],
  rename: ['rename', 'caller'],
  open: ['nodeid', 'flags', 'caller'],
  create: ['make', 'flags', 'caller'],
  tmpfile: ['make', 'flags', 'caller'],
  read: ['range', 'into', 'caller'],
  write: ['write', 'caller'],
  flush: ['nodeid', 'fh', 'caller'],
  release: ['nodeid', 'fh'],
  fsync: ['nodeid', 'fh', 'datasync', 'caller'],
  opendir: ['nodeid', 'flags', 'caller'],
  readdir: ['nodeid', 'fh', 'offset', 'sink'],
  releasedir: ['nodeid', 'fh'],
  fsyncdir: ['nodeid', 'fh', 'datasync', 'caller'],
  statfs: ['nodeid'],
  setxattr: ['change', 'caller'],
  getxattr: ['nodeid', 'name', 'caller'],
  listxattr: ['nodeid', 'caller'],
  removexattr: ['nodeid', 'name', 'caller'],
  access: ['nodeid', 'mask', 'caller'],
  fallocate: ['range', 'caller'],
  lseek: ['nodeid', 'fh', 'offset', 'whence'],
  copyFileRange: ['range', 'caller'],
  ioctl: ['ioctl', 'caller'],
  destroy: [],
};

/** All operations that a file system may have. */
export const OPERATION_NAMES: readonly OperationName[] = Object.keys(ARGUMENTS) as OperationName[];

/**
 * The operations of a file system as an object of their own, so that some can be replaced:
 * `{ ...bindOperations(fileSystem), lookup }`.
 */
export function bindOperations(fileSystem: FileSystem): FileSystem {
  return eachOperation(fileSystem, (_, handler) => handler);
}

/** Makes a file system of what `wrap` makes of each operation that there is. */
function eachOperation(
  fileSystem: FileSystem,
  wrap: (name: OperationName, handler: Handler) => Handler,
): FileSystem {
  // By name: a file system may be an instance of a class, whose methods are not enumerable.
  const handlers = fileSystem as Partial<Record<OperationName, unknown>>;
  const wrapped: Record<string, Handler> = {};
  for (const name of OPERATION_NAMES) {
    const handler = handlers[name];
    if (typeof handler !== 'function') continue;
    wrapped[name] = wrap(name, (handler as Handler).bind(fileSystem));
  }
  return wrapped as unknown as FileSystem;
}

/**
 * The same file system with an interceptor that sees every call, its end, and what it came to. It
 * has exactly the operations that `fileSystem` has: the kernel notices no difference. A promise is
 * over when it has settled.
 */
export function intercept<T>(fileSystem: FileSystem, interceptor: Interceptor<T>): FileSystem {
  return eachOperation(fileSystem, (name, handler) =>
    name === 'readdir' ? listing(handler, interceptor) : wrap(name, handler, interceptor),
  );
}

function wrap<T>(name: OperationName, handler: Handler, interceptor: Interceptor<T>): Handler {
  return (...args) => {
    const call = interceptor.began(name, args);
    return finish(interceptor, call, () => handler(...args));
  };
}

/** `readdir` has no result, so what the sink took stands for it. */
function listing<T>(handler: Handler, interceptor: Interceptor<T>): Handler {
  return (...args) => {
    const call = interceptor.began('readdir', args);
    const sink = new CountingSink(args.at(-1) as DirSink);
    const counted = [...args.slice(0, -1), sink];
    return finish(
      interceptor,
      call,
      () => handler(...counted),
      () => sink.count,
    );
  };
}

function finish<T>(
  interceptor: Interceptor<T>,
  call: T,
  work: () => unknown,
  resultOf: (value: unknown) => unknown = (value) => value,
): unknown {
  const failed = (error: unknown): never => {
    interceptor.failed(call, error);
    throw error;
  };
  const succeeded = (value: unknown): unknown => {
    interceptor.succeeded(call, resultOf(value));
    return value;
  };
  let result: unknown;
  try {
    result = work();
  } catch (error) {
    return failed(error);
  }
  return result instanceof Promise ? result.then(succeeded, failed) : succeeded(result);
}

class CountingSink implements DirSink {
  readonly plus: boolean;
  readonly #sink: DirSink;
  count = 0;

  constructor(sink: DirSink) {
    this.plus = sink.plus;
    this.#sink = sink;
  }

  add(...entry: Parameters<DirSink['add']>): boolean {
    const fits = this.#sink.add(...entry);
    if (fits) this.count += 1;
    return fits;
  }
}
