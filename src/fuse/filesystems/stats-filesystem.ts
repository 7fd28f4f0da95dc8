import type { FileSystem } from '../filesystem.js';
import { intercept, type OperationName } from './intercept.js';

/** Bucket n counts what took less than 2^n microseconds (and not less than half of that). */
export const LATENCY_BUCKETS = 24;

/** One operation's figures. Times are microseconds; percentiles are the bucket's upper end. */
export interface OperationStats {
  readonly count: number;
  /** Of these, how many failed. */
  readonly failures: number;
  readonly totalMicros: number;
  readonly maxMicros: number;
  readonly p50Micros: number;
  readonly p99Micros: number;
  /** See {@link LATENCY_BUCKETS}; empty ones at the end are left out. */
  readonly buckets: readonly number[];
}

/** Figures by operation; operations that were never called are left out. */
export type StatsSnapshot = Readonly<Partial<Record<OperationName, OperationStats>>>;

interface Call {
  readonly counter: Counter;
  readonly startMs: number;
}

/**
 * Counts the operations of a file system and how long each took, a promise until it settles.
 * Costs a fraction of a microsecond per operation.
 */
export class StatsFileSystem implements FileSystem {
  declare readonly lookup: FileSystem['lookup'];
  declare readonly forget: FileSystem['forget'];
  declare readonly getattr: FileSystem['getattr'];
  readonly #counters = new Map<OperationName, Counter>();

  constructor(fileSystem: FileSystem) {
    const counted = intercept<Call>(fileSystem, {
      began: (operation) => ({ counter: this.#counter(operation), startMs: performance.now() }),
      succeeded: ({ counter, startMs }) => counter.add(performance.now() - startMs),
      failed: ({ counter, startMs }) => {
        counter.failures += 1;
        counter.add(performance.now() - startMs);
      },
    });
    Object.assign(this, counted);
  }

  #counter(operation: OperationName): Counter {
    let counter = this.#counters.get(operation);
    if (counter === undefined) {
      counter = new Counter();
      this.#counters.set(operation, counter);
    }
    return counter;
  }

  /** The figures so far. */
  snapshot(): StatsSnapshot {
    const figures = [...this.#counters].map(
      ([operation, counter]) => [operation, counter.snapshot()] as const,
    );
    // The first call of an operation may still be going on.
    return Object.fromEntries(figures.filter(([, { count }]) => count > 0));
  }
}

class Counter {
  failures = 0;
  #count = 0;
  #totalMs = 0;
  #maxMs = 0;
  readonly #buckets: number[] = Array.from({ length: LATENCY_BUCKETS }, () => 0);

  add(durationMs: number): void {
    this.#count += 1;
    this.#totalMs += durationMs;
    if (durationMs > this.#maxMs) this.#maxMs = durationMs;
    const bucket = Math.min(LATENCY_BUCKETS - 1, 32 - Math.clz32(Math.trunc(durationMs * 1000)));
    this.#buckets[bucket] = (this.#buckets[bucket] ?? 0) + 1;
  }

  snapshot(): OperationStats {
    const used = this.#buckets.findLastIndex((count) => count > 0) + 1;
    return {
      count: this.#count,
      failures: this.failures,
      totalMicros: Math.round(this.#totalMs * 1000),
      maxMicros: Math.round(this.#maxMs * 1000),
      p50Micros: this.#percentile(0.5),
      p99Micros: this.#percentile(0.99),
      buckets: this.#buckets.slice(0, used),
    };
  }

  #percentile(share: number): number {
    let below = 0;
    for (const [bucket, count] of this.#buckets.entries()) {
      below += count;
      if (below > 0 && below >= this.#count * share) return 2 ** bucket;
    }
    return 0;
  }
}

const COLUMNS = ['operation', 'count', 'failures', 'total ms', 'mean µs', 'p50 <', 'p99 <', 'max'];

/** The figures as a table, the operation that took longest first. Ends with a line feed. */
export function formatStats(snapshot: StatsSnapshot): string {
  const sorted = Object.entries(snapshot).sort(([, a], [, b]) => b.totalMicros - a.totalMicros);
  const rows = sorted.map(([operation, stats]) => [
    operation,
    String(stats.count),
    String(stats.failures),
    (stats.totalMicros / 1000).toFixed(1),
    (stats.totalMicros / stats.count).toFixed(1),
    String(stats.p50Micros),
    String(stats.p99Micros),
    String(stats.maxMicros),
  ]);
  const table = [COLUMNS, ...rows];
  const widths = COLUMNS.map((_, i) => Math.max(...table.map((row) => row[i]?.length ?? 0)));
  const line = ([first = '', ...rest]: readonly string[]): string =>
    [
      first.padEnd(widths[0] ?? 0),
      ...rest.map((cell, i) => cell.padStart(widths[i + 1] ?? 0)),
    ].join('  ');
  return `${table.map(line).join('\n')}\n`;
}
