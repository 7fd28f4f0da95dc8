import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { UserError } from '../../src/util/errors.js';
import { readArgumentFile } from './argument-file.js';

const dir = mkdtempSync(join(tmpdir(), 'tsbuild-arguments-'));
after(() => rmSync(dir, { recursive: true, force: true }));

function read(text: string): string[] {
  const file = join(dir, 'args');
  writeFileSync(file, text);
  return readArgumentFile(file);
}

test('readArgumentFile() takes lines as they are', () => {
  const text = '# comment\n\nA=1\r\nB="two" # all\nC\nD=\n';
  assert.deepEqual(read(text), ['A=1', 'B="two" # all', 'C', 'D=']);
});

const BAD: readonly (readonly [text: string, line: number, hint?: RegExp])[] = [
  ['A=1\n\nexport D=1\n', 3, /^Write D=VALUE, without "export"/],
  ['A = 1', 1, /^Write A=VALUE/],
  ['=1', 1],
];
for (const [text, line, hint] of BAD) {
  test(`readArgumentFile() refuses ${JSON.stringify(text)}`, () => {
    assert.throws(
      () => read(text),
      (error) => {
        assert(error instanceof UserError);
        assert.match(error.message, new RegExp(`args": line ${line} has the name`));
        assert.match(error.hint ?? '', hint ?? /^$/);
        return true;
      },
    );
  });
}
