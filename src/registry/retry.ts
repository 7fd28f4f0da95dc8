import { setTimeout as sleep } from 'node:timers/promises';
import type { RegistryLimits } from './limits.js';
import { RegistryError } from './registry-error.js';

/** A retry that is about to be waited for. */
export interface Retry {
  readonly error: RegistryError;
  /** Of the attempt that failed, from 1. */
  readonly attempt: number;
  readonly delayMs: number;
}

export interface RetryOptions {
  readonly limits: RegistryLimits;
  readonly signal: AbortSignal | undefined;
  readonly onRetry: ((retry: Retry) => void) | undefined;
}

/**
 * Runs `operation` until it succeeds, fails for good, or has been tried `attemptsMax` times.
 * Only a transient RegistryError is worth another try.
 */
export async function withRetries<T>(
  operation: () => Promise<T>,
  options: RetryOptions,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await operation();
    } catch (error) {
      await waitBeforeRetry(error, attempt, options);
    }
  }
}

/** Waits as long as the failed `attempt` (from 1) asks for; rethrows `error` if it is final. */
export async function waitBeforeRetry(
  error: unknown,
  attempt: number,
  options: RetryOptions,
): Promise<void> {
  const { limits, signal, onRetry } = options;
  if (!(error instanceof RegistryError) || !error.transient) throw error;
  const delayMs = error.retryAfterMs ?? backoffMs(attempt, limits);
  if (attempt >= limits.attemptsMax || delayMs > limits.retryAfterMsMax) throw error;
  onRetry?.({ error, attempt, delayMs });
  await abortable(sleep(delayMs, undefined, { ...(signal && { signal }) }), signal);
}

/** The wait after the `attempt`th failure: doubled each time, the second half of it random. */
export function backoffMs(
  attempt: number,
  limits: RegistryLimits,
  random: () => number = Math.random,
): number {
  const full = Math.min(limits.backoffFirstMs * 2 ** (attempt - 1), limits.backoffMsMax);
  return full / 2 + (full / 2) * random();
}

/** Parses `Retry-After` (seconds or an HTTP date) into milliseconds from `nowMs`. */
export function parseRetryAfter(text: string | undefined, nowMs: number): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs);
}

/** Awaits; a failure after `signal` was aborted is thrown as the signal's reason. */
export async function abortable<T>(
  promise: Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  try {
    return await promise;
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}
