// Builds folders of fixtures/buildfiles one after the other in this process, in one store.
// Arguments: the fixtures, an empty working directory, names. A line of JSON for each on
// standard output: see Outcome.
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { runCli } from '../../cmd/cli.js';
import { enterNamespaces } from '../../src/exec/reexec.js';
import { parseReference, withDefaultTag } from '../../src/oci/reference.js';
import { Store } from '../../src/store/store.js';
import { prepareCase, type BuildfileCase } from '../../src/testing/buildfile-case.js';
import { readImage, reportImage, type ImageFacts } from '../../src/testing/image-report.js';

/** What became of one folder. */
export interface Outcome {
  readonly name: string;
  readonly durationMs: number;
  readonly exitCode: number;
  /** The image as text, or what was said of the failure. */
  readonly text: string;
}

/** Not the same on every machine: busybox and its applets. */
const EXCLUDED = ['bin'];
const BASE = 'base';

/** Runs tsbuild in this process; returns its exit code and what it said. */
async function tsbuild(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<{ exitCode: number; said: string }> {
  const chunks: string[] = [];
  const { stderr } = process;
  const [before, write] = [{ ...process.env }, stderr.write.bind(stderr)];
  Object.assign(process.env, env);
  stderr.write = (chunk: string | Uint8Array): boolean => {
    chunks.push(typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString('utf8'));
    return true;
  };
  try {
    return { exitCode: await runCli(args), said: chunks.join('') };
  } finally {
    stderr.write = write;
    for (const name of Object.keys(process.env)) {
      if (before[name] === undefined) Reflect.deleteProperty(process.env, name);
    }
    Object.assign(process.env, before);
  }
}

async function build(each: BuildfileCase): ReturnType<typeof tsbuild> {
  process.chdir(each.dir);
  return await tsbuild(['build', ...each.args], each.env);
}

async function readTagged(root: string, name: string): Promise<ImageFacts> {
  await using store = await Store.open(root);
  const record = store.images.get(withDefaultTag(parseReference(name)));
  if (record === undefined) throw new Error(`${name} is not in the store`);
  return await readImage(store, record, EXCLUDED);
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
  const root = join(work, 'store');
  process.env['TSBUILD_ROOT'] = root;
  const prepare = (name: string): BuildfileCase =>
    prepareCase(join(fixtures, name), join(work, name), name);

  const first = prepare(BASE);
  copyFileSync('/bin/busybox', join(first.dir, 'context/busybox'));
  const { exitCode, said } = await build(first);
  if (exitCode !== 0) throw new Error(said);
  const base = await readTagged(root, BASE);

  for (const name of names) {
    const startMs = performance.now();
    const result = await build(prepare(name));
    const outcome: Outcome = {
      name,
      exitCode: result.exitCode,
      text:
        result.exitCode === 0
          ? successText(result.said, reportImage(await readTagged(root, name), base))
          : failureText(result.exitCode, result.said),
      durationMs: Math.round(performance.now() - startMs),
    };
    process.stdout.write(`${JSON.stringify(outcome)}\n`);
  }
}

await main(process.argv.slice(2));
