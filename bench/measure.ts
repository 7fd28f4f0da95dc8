import { performance } from 'node:perf_hooks';

/** One of several ways to do the same work. */
export interface Variant {
  readonly name: string;
  /** Does the work once; returns the milliseconds if it has measured them itself. */
  run(): Promise<number | undefined>;
  /** Undoes what `run` left; not measured. */
  reset?(): Promise<void>;
}

/** The times of one variant, one per round. */
export interface Timing {
  readonly name: string;
  readonly timesMs: readonly number[];
}

async function runOnce(variant: Variant): Promise<number> {
  const startMs = performance.now();
  const measuredMs = await variant.run();
  const timeMs = measuredMs ?? performance.now() - startMs;
  await variant.reset?.();
  return timeMs;
}

/**
 * Runs the variants in turn, A B C A B C …, after one round that is not counted. `report` is told
 * each time.
 */
export async function interleave(
  variants: readonly Variant[],
  rounds: number,
  report: (line: string) => void,
): Promise<Timing[]> {
  const times = new Map<string, number[]>(variants.map(({ name }) => [name, []]));
  for (let round = 0; round <= rounds; round++) {
    for (const variant of variants) {
      const timeMs = await runOnce(variant);
      const label = round === 0 ? 'warm-up' : `round ${round}`;
      report(`${label}: ${variant.name} ${(timeMs / 1000).toFixed(2)} s`);
      if (round > 0) times.get(variant.name)?.push(timeMs);
    }
  }
  return variants.map(({ name }) => ({ name, timesMs: times.get(name) ?? [] }));
}

/** The middle value, or the mean of the two. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? NaN) + upper) / 2;
}

/**
 * A Markdown table: median, range, and how many times as long as the first variant, as the median
 * of the rounds' ratios.
 */
export function formatTimings(title: string, timings: readonly Timing[]): string[] {
  const [first] = timings;
  const seconds = (timeMs: number): string => (timeMs / 1000).toFixed(2);
  const rows = timings.map(({ name, timesMs }) => {
    const ratios = timesMs.map((timeMs, round) => timeMs / (first?.timesMs[round] ?? NaN));
    const range = `${seconds(Math.min(...timesMs))}–${seconds(Math.max(...timesMs))}`;
    return `| ${name} | ${seconds(median(timesMs))} | ${range} | ${median(ratios).toFixed(2)} |`;
  });
  return [`| ${title} | median s | min–max | ratio |`, '| --- | ---: | ---: | ---: |', ...rows];
}
