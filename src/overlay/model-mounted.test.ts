import { execFile } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { Generator, OVERLAY_PROFILE, type Profile } from '../testing/model/generate.js';
import type { DirectoryJob } from '../testing/model/directory-trial-process.js';
import { formatOperation, type Operation } from '../testing/model/operations.js';
import { shrink } from '../testing/model/shrink.js';
import { Trial, type Difference } from '../testing/model/trial.js';
import { exactTime } from '../testing/model/compare.js';
import { runSteps, stepOn } from '../testing/mounted.js';
import { LayerFixture } from '../testing/overlay-fixture.js';
import { Random, seedOf } from '../testing/random.js';
import { requires } from '../testing/requires.js';
import type { LayerId } from '../layer/types.js';

/*
 * The same random operations by system calls: to a plain directory, which shows that the model is
 * right, and to mounted overlays, step after step. TSBUILD_MODEL_SEED repeats a run.
 */
const CHILD = fileURLToPath(
  new URL('../testing/model/directory-trial-process.js', import.meta.url),
);
const STEPS = Number(process.env['TSBUILD_MODEL_STEPS'] ?? 4);
const STEP_OPERATIONS = Number(process.env['TSBUILD_MODEL_STEP_OPERATIONS'] ?? 700);
const SHRINK_MS = 40_000;
const MOUNT_PROFILE: Profile = {
  ...OVERLAY_PROFILE,
  commitEvery: 0,
  forgets: process.env['TSBUILD_MODEL_DROPS'] === '1',
  sockets: true,
};
/** What every file system of Linux can do. */
const PLAIN_PROFILE: Profile = {
  ...MOUNT_PROFILE,
  xattrBytesMax: 10,
  allocateModes: OVERLAY_PROFILE.allocateModes.slice(0, 3),
};

/** A script, made up beside the model alone. */
function makeUp(profile: Profile, seed: number, steps: number): Operation[] {
  const trial = new Trial(exactTime);
  const generator = new Generator(trial.model, profile, new Random(seed));
  const operations: Operation[] = [];
  for (let step = 0; step < steps; step++) {
    for (let i = 0; i < STEP_OPERATIONS; i++) {
      const operation = generator.next();
      operations.push(operation);
      trial.step(operation);
    }
    operations.push({ op: 'commit' });
    trial.step({ op: 'commit' });
    trial.commit();
  }
  return operations;
}

/** Does a script in a new place; says what differs. */
type Runner = (operations: readonly Operation[]) => Promise<Difference | undefined>;

/** Runs a script; throws with the shortest that fails. */
async function check(operations: readonly Operation[], run: Runner, seed: number): Promise<void> {
  const first = await run(operations);
  if (first === undefined) return;
  const upTo = operations.slice(0, first.index + 1);
  const fails: (some: readonly Operation[]) => Promise<boolean> = async (some) =>
    (await run([...some, { op: 'commit' }])) !== undefined;
  const script = await shrink(upTo, fails, Date.now() + SHRINK_MS);
  const last = (await run([...script, { op: 'commit' }])) ?? first;
  const lines = script.map(formatOperation).join('\n');
  throw new Error(`TSBUILD_MODEL_SEED=${seed} failed: ${last.message}\n${lines}`);
}

/** The parts of a script between commits. */
function partsOf(operations: readonly Operation[]): [number, number][] {
  const parts: [number, number][] = [];
  let from = 0;
  for (const [index, { op }] of operations.entries()) {
    if (op !== 'commit') continue;
    parts.push([from, index + 1]);
    from = index + 1;
  }
  return parts;
}

function jobsOf(dir: string, operations: readonly Operation[]): DirectoryJob[] {
  const operationsFile = path.join(dir, 'operations');
  const timesFile = path.join(dir, 'times');
  fs.writeFileSync(operationsFile, JSON.stringify(operations));
  fs.writeFileSync(timesFile, '[]');
  const dropsCaches = MOUNT_PROFILE.forgets;
  return partsOf(operations).map(([from, to], i) => {
    const resultFile = path.join(dir, `result${i}`);
    return { operationsFile, timesFile, resultFile, from, to, dropsCaches };
  });
}

function resultOf({ resultFile }: DirectoryJob): Difference | undefined {
  if (!fs.existsSync(resultFile)) return { index: Infinity, message: 'the process ended' };
  const result = JSON.parse(fs.readFileSync(resultFile, 'utf8')) as Partial<Difference>;
  const { index, message } = result;
  return index === undefined || message === undefined ? undefined : { index, message };
}

for (const parent of ['/dev/shm', os.tmpdir()]) {
  test(`a directory of ${parent} does what the model does`, async (t) => {
    if (!requires(t, 'root') || !fs.existsSync(parent)) return;
    const seed = seedOf('TSBUILD_MODEL_SEED');
    t.diagnostic(`TSBUILD_MODEL_SEED=${seed}`);
    const run: Runner = async (operations) => {
      const dir = fs.mkdtempSync(path.join(parent, 'tsbuild-model-'));
      try {
        const cwd = path.join(dir, 'tree');
        fs.mkdirSync(cwd);
        fs.chmodSync(cwd, 0o755);
        const [job] = jobsOf(dir, operations);
        if (job === undefined) return undefined;
        await promisify(execFile)(process.execPath, [CHILD, JSON.stringify(job)], { cwd });
        return resultOf(job);
      } finally {
        fs.rmSync(dir, { recursive: true });
      }
    };
    await check(makeUp(PLAIN_PROFILE, seed, 1), run, seed);
  });
}

test('a mounted overlay does what the model does', { timeout: 3_600_000 }, async (t) => {
  if (!requires(t, 'root', 'fuse', 'program:unshare')) return;
  const seed = seedOf('TSBUILD_MODEL_SEED');
  t.diagnostic(`TSBUILD_MODEL_SEED=${seed}`);
  const run: Runner = async (operations) => {
    const fixture = new LayerFixture(t);
    const base = fixture.step([], (sh) => sh.chmod('/', 0o755));
    const lowers: LayerId[] = [base];
    const jobs = jobsOf(fixture.root, operations);
    const steps = jobs.map((job) => {
      const words = [process.execPath, CHILD, JSON.stringify(job)];
      const script = `exec ${words.map((word) => `'${word}'`).join(' ')}`;
      const step = stepOn(fixture, lowers, { script, end: 'commit' });
      lowers.push(step.upper);
      return step;
    });
    const results = await runSteps(steps);
    for (const [i, job] of jobs.entries()) {
      const { status, output, error } = results[i] ?? {};
      const difference = resultOf(job);
      if (status !== 0 || error !== undefined) {
        const why = error?.message ?? output ?? '';
        return { index: Math.min(difference?.index ?? job.to, job.to), message: why };
      }
      if (difference !== undefined) return difference;
    }
    return undefined;
  };
  await check(makeUp(MOUNT_PROFILE, seed, STEPS), run, seed);
});
