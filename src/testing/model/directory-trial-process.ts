/*
 * Process entry: `directory-trial-process.js JOB` does a part of a list of operations to the
 * working directory and to the model, and writes what differs, as JSON, to the job's result file.
 * What came before is done to the model alone.
 */
import fs from 'node:fs';

import type { Time } from '../../fuse/filesystem.js';
import { umask } from '../../sys/file.js';
import { assert } from '../../util/assert.js';
import { exactTime, type SameTime } from './compare.js';
import { DirectorySubject } from './directory.js';
import { formatOperation, type Operation } from './operations.js';
import { CLOCK_START_SEC, Trial, type Difference } from './trial.js';

/** What to do: operations `from` to `to` - 1 of a list in a file. */
export interface DirectoryJob {
  readonly operationsFile: string;
  readonly from: number;
  readonly to: number;
  /** When each operation was done: JSON, kept from part to part. */
  readonly timesFile: string;
  readonly resultFile: string;
  readonly dropsCaches?: boolean;
}

type Span = readonly [number, number];

/** The kernel's clock for files is a tick behind, and directories are stamped a little ahead. */
const TICK_MS = 20;

/** A time of the model means: when that operation was done. */
function timeWithin(spans: readonly Span[]): SameTime {
  return (model: Time, found: Time) => {
    const span = spans[model.sec - CLOCK_START_SEC];
    if (span === undefined || model.nsec !== 0) return exactTime(model, found);
    const ms = found.sec * 1000 + found.nsec / 1e6;
    return ms >= span[0] - TICK_MS && ms <= span[1] + TICK_MS;
  };
}

function run(job: DirectoryJob): Difference | undefined {
  const operations = JSON.parse(fs.readFileSync(job.operationsFile, 'utf8')) as Operation[];
  const spans = JSON.parse(fs.readFileSync(job.timesFile, 'utf8')) as Span[];
  const trial = new Trial(timeWithin(spans), { reusesNumbers: true });
  const subject = new DirectorySubject({ dropsCaches: job.dropsCaches === true });
  umask(0);
  if (job.from === 0) spans.push([Date.now() - 60_000, Date.now()]);
  for (const [index, operation] of operations.slice(0, job.to).entries()) {
    const before = Date.now();
    const message = trial.step(operation, index < job.from ? undefined : subject);
    if (operation.op === 'commit' && index + 1 < job.to) trial.commit();
    if (message !== undefined) return { index, message };
    if (index >= job.from) spans.push([before, Date.now()]);
    if (index + 1 !== job.from) continue;
    const found = trial.verify(subject);
    if (found !== undefined) return { index, message: `in the next step: ${found}` };
  }
  const message = trial.verify(subject);
  fs.writeFileSync(job.timesFile, JSON.stringify(spans));
  return message === undefined ? undefined : { index: job.to - 1, message };
}

const [, , text] = process.argv;
assert(text !== undefined, 'a job is needed');
const job = JSON.parse(text) as DirectoryJob;
const difference = run(job);
const operation =
  difference &&
  (JSON.parse(fs.readFileSync(job.operationsFile, 'utf8')) as Operation[])[difference.index];
const line = operation === undefined ? '' : formatOperation(operation);
fs.writeFileSync(
  job.resultFile,
  JSON.stringify(difference ? { ...difference, message: `${line}: ${difference.message}` } : {}),
);
