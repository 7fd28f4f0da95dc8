import type { HealthcheckInstruction } from '../dockerfile/ast.js';
import type { Healthcheck } from '../oci/config.js';

const SECOND_NS = 1_000_000_000;

/** What a HEALTHCHECK changes in the config, and its history. */
export function healthcheckEdit(
  instruction: HealthcheckInstruction,
): [changes: { Healthcheck: Healthcheck }, createdBy: string] {
  const Healthcheck = healthcheckOf(instruction);
  return [{ Healthcheck }, healthcheckHistory(Healthcheck)];
}

function healthcheckOf(instruction: HealthcheckInstruction): Healthcheck {
  const { test, intervalNs, timeoutNs, startPeriodNs, startIntervalNs, retries } = instruction;
  return {
    Test: testOf(test),
    ...(intervalNs !== undefined && { Interval: intervalNs }),
    ...(timeoutNs !== undefined && { Timeout: timeoutNs }),
    ...(startPeriodNs !== undefined && { StartPeriod: startPeriodNs }),
    ...(startIntervalNs !== undefined && { StartInterval: startIntervalNs }),
    ...(retries !== undefined && { Retries: retries }),
  };
}

/** `HEALTHCHECK {Test:[CMD-SHELL probe] Interval:5m0s …}`, as Go prints the struct. */
export function healthcheckHistory(check: Healthcheck): string {
  const durations = (['Interval', 'Timeout', 'StartPeriod', 'StartInterval'] as const).map(
    (name) => `${name}:${goDuration(check[name] ?? 0)}`,
  );
  const fields = [`Test:[${(check.Test ?? []).join(' ')}]`, ...durations];
  return `HEALTHCHECK {${[...fields, `Retries:${check.Retries ?? 0}`].join(' ')}}`;
}

function testOf(test: HealthcheckInstruction['test']): string[] {
  switch (test.form) {
    case 'none':
      return ['NONE'];
    case 'exec':
      return ['CMD', ...test.argv];
    case 'shell':
      return ['CMD-SHELL', test.command];
  }
}

/** Nanoseconds as Go's Duration.String has them: `1m30s`, `1.5s`, `250ms`, `0s`. */
function goDuration(ns: number): string {
  if (ns === 0) return '0s';
  if (ns < 1000) return `${ns}ns`;
  if (ns < 1_000_000) return `${ns / 1000}µs`;
  if (ns < SECOND_NS) return `${ns / 1_000_000}ms`;
  const whole = Math.floor(ns / SECOND_NS);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const rest = ns - (hours * 3600 + minutes * 60) * SECOND_NS;
  const seconds = `${rest / SECOND_NS}s`;
  if (hours > 0) return `${hours}h${minutes}m${seconds}`;
  return minutes > 0 ? `${minutes}m${seconds}` : seconds;
}
