/** A broken invariant of tsbuild itself: never the user's fault. The CLI exits 70 on it. */
export class InternalError extends Error {
  override name = 'InternalError';
}

/** Throws {@link InternalError} unless `condition` holds. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new InternalError(message);
}

/** Closes an exhaustive switch: the compiler refuses a call that can be reached. */
export function assertNever(value: never, what: string): never {
  throw new InternalError(`Cannot handle ${what} ${JSON.stringify(value)}`);
}
