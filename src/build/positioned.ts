import type { SourceRange } from '../util/errors.js';
import { UserError } from '../util/errors.js';

/** Runs `work`; a UserError without a position gets this one. */
export function positioned<T>(source: SourceRange, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw error instanceof UserError ? error.at(source) : error;
  }
}

/** {@link positioned} for asynchronous work. */
export async function positionedAsync<T>(source: SourceRange, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof UserError ? error.at(source) : error;
  }
}
