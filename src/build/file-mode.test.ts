import assert from 'node:assert/strict';
import test from 'node:test';
import { parseModeChange } from './file-mode.js';

const CASES: readonly (readonly [text: string, mode: number, isDir: boolean, want: number])[] = [
  ['755', 0o600, false, 0o755],
  ['0644', 0o777, true, 0o644],
  ['4755', 0o600, false, 0o4755],
  ['u=rwX,go=rX', 0o600, false, 0o644],
  ['u=rwX,go=rX', 0o700, false, 0o755],
  ['u=rwX,go=rX', 0o600, true, 0o755],
  ['+x', 0o644, false, 0o755],
  ['go-w', 0o666, false, 0o644],
  ['a=r', 0o4777, false, 0o444],
  ['o=u', 0o640, false, 0o646],
  ['u+s,g+s', 0o755, false, 0o6755],
  ['+t', 0o777, true, 0o1777],
  ['u+w-x', 0o555, false, 0o655],
  ['g=', 0o770, false, 0o700],
];
for (const [text, mode, isDir, want] of CASES) {
  test(`parseModeChange() "${text}" of ${mode.toString(8)}${isDir ? ' (directory)' : ''}`, () => {
    assert.equal(parseModeChange(text)(mode, isDir).toString(8), want.toString(8));
  });
}

for (const text of ['', '888', 'rwx', 'u=z', '77777', 'u']) {
  test(`parseModeChange() refuses "${text}"`, () => {
    assert.throws(() => parseModeChange(text), { code: 'TSB_COPY' });
  });
}
