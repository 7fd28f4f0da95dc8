import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { prepareReport, writeReport } from './report-file.js';

function temporary(t: TestContext): string {
  const dir = mkdtempSync(path.join(tmpdir(), 'tsbuild-report-'));
  t.after(() => {
    rmSync(dir, { recursive: true, force: true });
  });
  return dir;
}

test('prepareReport() removes an old report, writeReport() writes the new one', (t) => {
  const dir = temporary(t);
  const file = path.join(dir, 'iid');
  prepareReport(file);
  writeFileSync(file, 'old');
  prepareReport(file);
  assert.equal(existsSync(file), false);
  writeReport(file, 'new');
  assert.equal(readFileSync(file, 'utf8'), 'new');
});

test('prepareReport() names a missing directory, and a directory in the way', (t) => {
  const dir = temporary(t);
  const inMissing = path.join(dir, 'missing', 'iid');
  assert.throws(
    () => {
      prepareReport(inMissing);
    },
    {
      code: 'TSB_OUTPUT',
      message: new RegExp(`"${inMissing}": there is no directory ".*missing"$`),
    },
  );
  const taken = path.join(dir, 'taken');
  mkdirSync(taken);
  assert.throws(
    () => {
      prepareReport(taken);
    },
    { code: 'TSB_OUTPUT', message: /it is a directory$/ },
  );
});
