import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { fuzzBuildfiles } from '../testing/buildfile-fuzz.js';
import { Random, seedOf } from '../testing/random.js';

/** `FUZZ_FILES=1000000 FUZZ_SEED=1` makes a run longer, or repeats one. */
const FILES = Number(process.env['FUZZ_FILES'] ?? 4000);
const FIXTURES = join(import.meta.dirname, '../../../fixtures');

const IGNORES: readonly string[] = [
  '# what is not sent\n.git\n**/*.log\n!keep.log\n/a/../b/\n',
  '*\n!src\n!**/*.md\nsrc/**/test?\n[a-c]*.txt\n\\#x\n',
  '**\n!a/**/b\n  spaced name  \nx\\*y\n',
  ' \n\r\n!\n!!a\n[^a-z]\n[a\\]]\n',
];

test('mutated Buildfiles and ignore files are read, or refused with a position', (t) => {
  const seed = seedOf('FUZZ_SEED');
  t.diagnostic(`FUZZ_SEED=${seed}`);
  const files = readdirSync(FIXTURES, { recursive: true, encoding: 'utf8' }).sort();
  const buildfiles = files
    .filter((file) => /(?:^|\/)Buildfile$/.test(file))
    .map((file) => readFileSync(join(FIXTURES, file), 'utf8'));
  const report = fuzzBuildfiles(new Random(seed), { buildfiles, ignores: IGNORES, count: FILES });
  const { refused, slowestMs, failures } = report;
  t.diagnostic(`${report.files} files, ${refused} refused, slowest ${Math.round(slowestMs)} ms`);
  assert.deepEqual(failures, [], `FUZZ_SEED=${seed}`);
  assert.equal(report.files, FILES);
});
