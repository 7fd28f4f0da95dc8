// Builds folders of fixtures/buildfiles one after the other in this process, in one store.
// Arguments: the fixtures, an empty working directory, names. A line of JSON for each on
// standard output: see Outcome.
import { enterNamespaces } from '../../src/exec/reexec.js';
import { reportImage } from '../../src/testing/image-report.js';
import { FixtureBuilds } from './builds.js';

/** What became of one folder. */
export interface Outcome {
  readonly name: string;
  readonly durationMs: number;
  readonly exitCode: number;
  /** The image as text, or what was said of the failure. */
  readonly text: string;
}

/** The warnings, then the image. */
function successText(said: string, image: string): string {
  const lines = said.split('\n').filter((line) => /^(?:warning|hint): /.test(line));
  return [...lines, image].join('\n');
}

/** The error and all that is said behind it. */
function failureText(exitCode: number, said: string): string {
  const at = said.search(/^error: /m);
  return `exit ${exitCode}\n${said.slice(Math.max(0, at))}`;
}

async function main([fixtures = '', work = '', ...names]: readonly string[]): Promise<void> {
  const { argv, env } = process;
  enterNamespaces({ argv, env });
  const builds = new FixtureBuilds(fixtures, work);
  const base = await builds.buildBase();
  for (const name of names) {
    const startMs = performance.now();
    const { exitCode, said } = await builds.build(builds.prepare(name));
    const text =
      exitCode === 0
        ? successText(said, reportImage(await builds.read(name), base))
        : failureText(exitCode, said);
    const durationMs = Math.round(performance.now() - startMs);
    const outcome: Outcome = { name, exitCode, text, durationMs };
    process.stdout.write(`${JSON.stringify(outcome)}\n`);
  }
}

await main(process.argv.slice(2));
