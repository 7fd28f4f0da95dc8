import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import test from 'node:test';

import { Generator, OVERLAY_PROFILE } from '../testing/model/generate.js';
import { formatOperation, type Operation } from '../testing/model/operations.js';
import { OverlayTrial } from '../testing/model/overlay-trial.js';
import { Random, seedOf } from '../testing/random.js';
import { shrink } from '../testing/model/shrink.js';
import type { Difference } from '../testing/model/trial.js';

/*
 * Random operations to an overlay and to a model of a file system, step after step.
 * TSBUILD_MODEL_SEED repeats a trial, TSBUILD_MODEL_OPERATIONS says how many there are in all.
 */
const OPERATIONS = Number(process.env['TSBUILD_MODEL_OPERATIONS'] ?? 100_000);
const TRIAL_OPERATIONS = 1000;
const SHRINK_MS = 60_000;
// Most failures are answers.
Error.stackTraceLimit = 4;

/** In memory where there is such a directory: a disk would take most of the time. */
function newDir(): string {
  const parent = fs.existsSync('/dev/shm') ? '/dev/shm' : os.tmpdir();
  return fs.mkdtempSync(path.join(parent, 'tsbuild-model-'));
}

async function replay(operations: readonly Operation[]): Promise<Difference | undefined> {
  using trial = new OverlayTrial(newDir());
  return await trial.run(operations);
}

/** A trial of made-up operations; throws with the shortest script that fails. */
async function runTrial(seed: number): Promise<void> {
  const operations: Operation[] = [];
  using trial = new OverlayTrial(newDir());
  const generator = new Generator(
    trial.model,
    { ...OVERLAY_PROFILE, sockets: seed % 4 === 0 },
    new Random(seed),
  );
  const made = function* (): Iterable<Operation> {
    while (operations.length < TRIAL_OPERATIONS) {
      const operation = generator.next();
      operations.push(operation);
      yield operation;
    }
    operations.push({ op: 'commit' });
    yield { op: 'commit' };
  };
  const difference = await trial.run(made());
  if (difference === undefined) return;
  const fails = async (some: readonly Operation[]): Promise<boolean> =>
    (await replay(some)) !== undefined;
  const script = await shrink(operations, fails, Date.now() + SHRINK_MS);
  const last = (await replay(script)) ?? difference;
  const lines = script.map(formatOperation).join('\n');
  throw new Error(`Trial of TSBUILD_MODEL_SEED=${seed} failed: ${last.message}\n${lines}`);
}

test(
  `an overlay does what the model does, ${OPERATIONS} operations`,
  { timeout: 3_600_000 },
  async (t) => {
    const first = seedOf('TSBUILD_MODEL_SEED');
    t.diagnostic(`TSBUILD_MODEL_SEED=${first}`);
    for (let done = 0; done < OPERATIONS; done += TRIAL_OPERATIONS) {
      await runTrial((first + done / TRIAL_OPERATIONS) >>> 0);
    }
  },
);
