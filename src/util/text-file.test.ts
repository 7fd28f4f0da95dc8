import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import test from 'node:test';
import { readTextFile } from './text-file.js';

test('readTextFile() reads regular files alone, and waits for nobody', (t) => {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'tsbuild-text-'));
  t.after(() => fs.rmSync(dir, { recursive: true }));
  const at = (name: string): string => path.join(dir, name);
  fs.writeFileSync(at('text'), 'FROM ä\n');
  fs.symlinkSync('text', at('link'));
  fs.symlinkSync('/dev/zero', at('zero'));
  execFileSync('mkfifo', [at('fifo')]);
  fs.writeFileSync(at('large'), '');
  fs.truncateSync(at('large'), 2 ** 30);
  assert.equal(readTextFile(at('text')), 'FROM ä\n');
  assert.equal(readTextFile(at('link')), 'FROM ä\n');
  for (const name of ['zero', 'fifo', '.']) {
    assert.throws(() => readTextFile(at(name)), { code: 'TSB_CONTEXT' });
  }
  assert.throws(() => readTextFile(at('large')), { code: 'TSB_LIMIT' });
  assert.throws(() => readTextFile(at('none')), { code: 'ENOENT' });
});
